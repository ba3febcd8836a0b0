// exp, log and what activations are made of, on Vec<T>. Included after simd/<isa>.h, by kernels.
//
// Errors over the whole range, subnormal results included: exp and log at most 2 ulp in float and 4 ulp in
// double; expm1, log1p, tanh, sigmoid and gelu_tanh at most 4 ulp; normal_cdf and gelu at most 4 and 10 ulp
// (6.1 where fma rounds once). Infinities, zeros and overflow as in the C library; NaN gives NaN. Range
// reduction after Cody and Waite (Software Manual for the Elementary Functions, 1980); the remaining series
// are Taylor's, cut where the next term no longer matters.
#pragma once

namespace fastnn::FASTNN_ISA {

template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  // ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
  static constexpr float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
  static constexpr float exp_lowest = -105, exp_highest = 90;  // beyond: 0 and infinity
  static constexpr int exp_terms = 7;                          // next term: (ln2/2)^8 / 8! = 5e-9
  static constexpr int log_terms = 5;                          // next term: 0.172^10 / 11 = 2e-9
  static constexpr float smallest_normal = 0x1p-126f, largest = 0x1.fffffep127f;
  static constexpr float tail_end = 14.5f;  // beyond: e^(-x^2/2) is 0
  static constexpr float tail_split = 256;  // 12 bits of any |x| < 16: their square is exact
};

template <>
struct MathConstants<double> {
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_lowest = -746, exp_highest = 710;
  static constexpr int exp_terms = 13;  // next term: (ln2/2)^14 / 14! = 4e-18
  static constexpr int log_terms = 11;  // next term: 0.172^22 / 23 = 6e-19
  static constexpr double smallest_normal = 0x1p-1022, largest = 0x1.fffffffffffffp1023;
  static constexpr double tail_end = 38.7;
  static constexpr double tail_split = 0x1p20;  // 26 bits of any |x| < 64
};

static constexpr double kInverseFactorial[] = {
    1.0,
    1.0,
    1.0 / 2,
    1.0 / 6,
    1.0 / 24,
    1.0 / 120,
    1.0 / 720,
    1.0 / 5040,
    1.0 / 40320,
    1.0 / 362880,
    1.0 / 3628800,
    1.0 / 39916800,
    1.0 / 479001600,
    1.0 / 6227020800,
    1.0 / 87178291200,
    1.0 / 1307674368000,
    1.0 / 20922789888000,
};

// (a + pole) e^(a^2/2) P(X > a) for a standard normal X and a >= 0, less its value pole/2 at 0 and divided by
// 1 + t, as a polynomial in t = (a - pole) / (a + pole), which runs from -1 to 1 (after Shepherd and
// Laframboise, 1981). Chebyshev fits over 0 <= a <= 15 and 39: relative errors 3e-9 and 4e-18.
template <class T>
struct NormalTail;

template <>
struct NormalTail<float> {
  static constexpr float pole = 2;
  static constexpr int degree = 11;
  static constexpr float coefficients[degree + 1] = {
      -0x1.4f7446p-2f, -0x1.f3b484p-9f, 0x1.0b23bep-5f,  0x1.0d4272p-8f,  -0x1.2c0ddcp-8f,  -0x1.196e9cp-9f,
      0x1.9fd3a6p-13f, 0x1.36d078p-11f, 0x1.e04784p-13f, -0x1.6cb8ap-15f, -0x1.3a0544p-14f, -0x1.70adb2p-16f,
  };
};

template <>
struct NormalTail<double> {
  static constexpr double pole = 4;
  static constexpr int degree = 22;
  static constexpr double coefficients[degree + 1] = {
      -0x1.3ea5a239b5919p+0,  0x1.460d09ea2efa8p-1,   -0x1.ff58a94ec392dp-3,  0x1.02b2fa9eb69f7p-4,
      -0x1.6a128ff20b2b2p-9,  -0x1.391e190b571c1p-8,  0x1.544a308453945p-10,  0x1.5ce0bcd614667p-12,
      -0x1.a21ccbfe7c0cfp-13, -0x1.0a1d5f5001f49p-15, 0x1.f4370e854b375p-16,  0x1.65a7b558ead77p-18,
      -0x1.35932177ba4cap-18, -0x1.5ed6f874bded9p-20, 0x1.6bec1ef84b0e4p-21,  0x1.70caa00a2d831p-22,
      -0x1.3819803bf37fap-24, -0x1.6108ed41c0b07p-24, -0x1.21b59da8e7933p-29, 0x1.0ae7af7cd939ap-26,
      0x1.d2e198519e9d0p-29,  -0x1.d220eec98fc7dp-30, -0x1.60627910b4e72p-31,
  };
};

// The nearest integer, for |a| below 2^22 (float) or 2^51 (double): above 1.5 * 2^fraction_bits the spacing
// is 1.
template <class T>
FASTNN_INLINE Vec<T> nearest(Vec<T> a) {
  const Vec<T> base = Vec<T>::set(T(1.5) * T(int64_t(1) << FloatLayout<T>::fraction_bits));
  return (a + base) - base;
}

// x within [low, high]; NaN stays NaN.
template <class T>
FASTNN_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
  return max(Vec<T>::set(low), min(Vec<T>::set(high), x));  // in this order both keep a NaN
}

// n and r with x = n ln 2 + r, |r| <= ln(2) / 2. Of a sum x + rest, x may be large without a rounding of the
// sum.
template <class T>
struct ExpParts {
  Vec<T> n, r;

  FASTNN_INLINE explicit ExpParts(Vec<T> x) {
    using C = MathConstants<T>;
    n = nearest<T>(x * Vec<T>::set(T(1.4426950408889634)));
    r = fnma(n, Vec<T>::set(C::ln2_low), fnma(n, Vec<T>::set(C::ln2_high), x));
  }
  FASTNN_INLINE ExpParts(Vec<T> x, Vec<T> rest) {
    using C = MathConstants<T>;
    n = nearest<T>((x + rest) * Vec<T>::set(T(1.4426950408889634)));
    r = fnma(n, Vec<T>::set(C::ln2_low), fnma(n, Vec<T>::set(C::ln2_high), x) + rest);
  }

  // e^r - 1 = r + r^2 (1/2! + r/3! + ...)
  FASTNN_INLINE Vec<T> fraction() const {
    using C = MathConstants<T>;
    Vec<T> series = Vec<T>::set(T(kInverseFactorial[C::exp_terms]));
#pragma GCC unroll 16
    for (int k = C::exp_terms - 1; k >= 2; --k) series = fma(series, r, Vec<T>::set(T(kInverseFactorial[k])));
    return fma(series * r, r, r);
  }

  // c e^x, in two steps, as 2^n itself may be too large or too small for a normal number. Rounding 1 +
  // fraction first would be one error more.
  FASTNN_INLINE Vec<T> times(Vec<T> c) const {
    const Vec<T> half = nearest<T>(n * Vec<T>::set(T(0.5)));
    return fma(c, fraction(), c) * pow2(half) * pow2(n - half);
  }
};

template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
  using C = MathConstants<T>;
  return ExpParts<T>(clamp<T>(x, C::exp_lowest, C::exp_highest)).times(Vec<T>::set(T(1)));
}

// e^x - 1 for x <= 40, accurate near 0: 2^n (e^r - 1) + (2^n - 1).
template <class T>
FASTNN_INLINE Vec<T> expm1(Vec<T> x) {
  const ExpParts<T> parts(clamp<T>(x, -40, 40));
  const Vec<T> scale = pow2(parts.n);
  return fma(scale, parts.fraction(), scale - Vec<T>::set(T(1)));
}

// e ln 2 + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) = 2 artanh(s), s = f / (2 + f).
template <class T>
FASTNN_INLINE Vec<T> log_parts(Vec<T> e, Vec<T> f) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  const V s = f / (V::set(T(2)) + f), z = s * s;
  // 2 artanh(s) = 2 s + s * tail with tail = z (2/3 + 2/5 z + ...); and 2 s = f - s f, of which f is exact.
  V tail = V::set(T(2) / T(2 * C::log_terms - 1));
#pragma GCC unroll 16
  for (int k = C::log_terms - 1; k >= 2; --k) tail = fma(tail, z, V::set(T(2) / T(2 * k - 1)));
  tail = tail * z;
  const V half_square = V::set(T(0.5)) * f * f;
  // f - f^2/2 + s (f^2/2 + tail) is f - s f + s tail, with a smaller part that is rounded.
  const V small = half_square - fma(s, half_square + tail, e * V::set(C::ln2_low));
  return fma(e, V::set(C::ln2_high), f - small);
}

// log x: x = 2^e (1 + f).
template <class T>
FASTNN_INLINE Vec<T> log(Vec<T> x) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  constexpr int kRaise = FloatLayout<T>::fraction_bits + 2;
  const V one = V::set(T(1)), infinity = V::set(T(__builtin_inf()));
  const auto subnormal = V::set(C::smallest_normal) > x;
  const V normal = select(subnormal, x * V::set(T(int64_t(1) << kRaise)), x);
  const V raised = select(subnormal, V::set(T(kRaise)), V::zero());
  const V m = mantissa(normal);
  const auto large = m > V::set(T(1.4142135623730951));
  const V e = exponent(normal) - raised + select(large, one, V::zero());
  const V f = select(large, m * V::set(T(0.5)), m) - one;
  const V special = select(V::zero() > x, V::set(T(__builtin_nan(""))), x - infinity);  // x <= 0, or NaN
  return select(x > V::zero(), select(x > V::set(C::largest), x, log_parts<T>(e, f)), special);
}

// log(1 + x) for 0 <= x <= 1.
template <class T>
FASTNN_INLINE Vec<T> log1p(Vec<T> x) {
  using V = Vec<T>;
  const V one = V::set(T(1));
  const auto large = x > V::set(T(0.41421356237309505));
  return log_parts<T>(select(large, one, V::zero()), select(large, (x - one) * V::set(T(0.5)), x));
}

// (e^2x - 1) / (e^2x + 1)
template <class T>
FASTNN_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> m = expm1(x + x);
  return m / (m + Vec<T>::set(T(2)));
}

// 1 / (1 + e^-x) and 1 / (1 + e^x), which sum to 1: as a difference the smaller would lose its digits. The
// exponential is never a large number, so nothing overflows.
template <class T>
struct Sigmoids {
  Vec<T> value, complement;

  FASTNN_INLINE explicit Sigmoids(Vec<T> x) {
    using V = Vec<T>;
    const V one = V::set(T(1)), e = exp(V::zero() - abs(x)), sum = one + e;
    const V large = one / sum, small = e / sum;
    const auto positive = x > V::zero();
    value = select(positive, large, small);
    complement = select(positive, small, large);
  }
};

template <class T>
FASTNN_INLINE Vec<T> sigmoid(Vec<T> x) {
  using V = Vec<T>;
  const V one = V::set(T(1)), e = exp(V::zero() - abs(x));
  return select(x > V::zero(), one, e) / (one + e);
}

// e^(-x^2/2), to be multiplied. x = a + d with a few leading bits in a: the rounding of x^2 would be an error
// of many ulp.
template <class T>
FASTNN_INLINE ExpParts<T> gauss(Vec<T> x) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  x = clamp<T>(x, -C::tail_end, C::tail_end);
  const V a = nearest<T>(x * V::set(C::tail_split)) * V::set(1 / C::tail_split), d = x - a;
  const V minus_half = V::set(T(-0.5));
  return ExpParts<T>(minus_half * a * a, d * fma(minus_half, d, V::zero() - a));
}

// (a + pole) e^(a^2/2) P(X > a) for a standard normal X and rise = 2 a / (a + pole).
template <class T>
FASTNN_INLINE Vec<T> normal_tail(Vec<T> rise) {
  using V = Vec<T>;
  using Tail = NormalTail<T>;
  const V t = rise - V::set(T(1));
  V series = V::set(Tail::coefficients[Tail::degree]);
#pragma GCC unroll 32
  for (int k = Tail::degree - 1; k >= 0; --k) series = fma(series, t, V::set(Tail::coefficients[k]));
  return fma(rise, series, V::set(Tail::pole / 2));
}

// P(X <= x), which is (1 + erf(x / sqrt(2))) / 2 without its cancellation.
template <class T>
FASTNN_INLINE Vec<T> normal_cdf(Vec<T> x, const ExpParts<T>& gauss_of_x) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  const V one = V::set(T(1)), pole = V::set(NormalTail<T>::pole),
          a = abs(clamp<T>(x, -C::tail_end, C::tail_end));
  const V inverse = one / (a + pole);
  const V beyond = gauss_of_x.times(normal_tail<T>((a + a) * inverse) * inverse);
  return select(x > V::zero(), one - beyond, beyond);
}

// x P(X <= x) = max(x, 0) - a P(X > a) with a = |x|: fewer roundings than a product with normal_cdf.
template <class T>
FASTNN_INLINE Vec<T> gelu(Vec<T> x) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  const V pole = V::set(NormalTail<T>::pole), a = abs(clamp<T>(x, -C::tail_end, C::tail_end));
  const V rise = (a + a) / (a + pole);
  const V beyond = gauss(x).times(V::set(T(0.5)) * rise * normal_tail<T>(rise));
  return max(V::zero(), x) - beyond;
}

// 2 sqrt(2 / pi) (x + 0.044715 x^3) = linear x + cubic x^3, the coefficients in two parts of which the first
// is short: its products with a few leading bits of x, and of their cube, are exact.
template <class T>
struct GeluCubic;

template <>
struct GeluCubic<float> {
  static constexpr float linear = 0x1.9880000000000p+0f, linear_rest = 0x1.14cf500000000p-14f;  // 12 bits
  static constexpr float cubic = 0x1.2440000000000p-4f, cubic_rest = 0x1.3ca9360000000p-18f;
  static constexpr float end = 12;                    // beyond: e^-u is 0
  static constexpr float steps = 16, cube_steps = 1;  // 8 bits of x; 24 of the cube, 11 of them in its head
};

template <>
struct GeluCubic<double> {
  static constexpr double linear = 0x1.9884530000000p+0, linear_rest = 0x1.ea1b284687e5ap-27;  // 26 bits
  static constexpr double cubic = 0x1.2444f28000000p-4, cubic_rest = 0x1.26c5a57a4def1p-31;
  static constexpr double end = 22;
  static constexpr double steps = 4096,
                          cube_steps = 4096;  // 17 bits of x; 51 of the cube, 26 of them in its head
};

// x sigmoid(u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3), which is x (1 + tanh(u / 2)) / 2 without cancellation.
// Far out e^-u has as many wrong ulp as u is large, unless u is known better than to its last bit.
template <class T>
FASTNN_INLINE Vec<T> gelu_tanh(Vec<T> x) {
  using V = Vec<T>;
  using C = GeluCubic<T>;
  const V one = V::set(T(1)), zero = V::zero(), cut = clamp<T>(x, -C::end, C::end), c = abs(cut);
  const V a = nearest<T>(c * V::set(C::steps)) * V::set(1 / C::steps), d = c - a;
  const V square = a * a, cube = square * a;
  const V head = nearest<T>(cube * V::set(C::cube_steps)) * V::set(1 / C::cube_steps);
  const V leading = fma(V::set(C::cubic), head, V::set(C::linear) * a);  // exact
  // What is left of the cube, of x and of the coefficients.
  const V bend = d * fma(d, fma(V::set(T(3)), a, d), V::set(T(3)) * square);  // c^3 - a^3
  const V left = fma(V::set(C::cubic), (cube - head) + bend, V::set(C::linear) * d);
  const V rest = left + fma(V::set(C::cubic_rest), cube + bend, V::set(C::linear_rest) * c);
  const ExpParts<T> decay(zero - leading, zero - rest);
  return select(x > zero, x, decay.times(cut)) / (one + decay.times(one));
}

}  // namespace fastnn::FASTNN_ISA
