// exp and log on Vec<T>. Included after simd/<isa>.h, by kernels.
//
// Errors over the whole range, subnormal results included: at most 2 ulp in float, 4 ulp in double.
// Infinities, zeros and overflow as in the C library; NaN gives NaN. Range reduction after Cody and Waite
// (Software Manual for the Elementary Functions, 1980); the remaining series are Taylor's, cut where the next
// term no longer matters.
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
};

template <>
struct MathConstants<double> {
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_lowest = -746, exp_highest = 710;
  static constexpr int exp_terms = 13;  // next term: (ln2/2)^14 / 14! = 4e-18
  static constexpr int log_terms = 11;  // next term: 0.172^22 / 23 = 6e-19
  static constexpr double smallest_normal = 0x1p-1022, largest = 0x1.fffffffffffffp1023;
};

static constexpr double kInverseFactorial[] = {
    1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
    1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
};

// The nearest integer, for |a| below 2^22 (float) or 2^51 (double): above 1.5 * 2^fraction_bits the spacing
// is 1.
template <class T>
FASTNN_INLINE Vec<T> nearest(Vec<T> a) {
  const Vec<T> base = Vec<T>::set(T(1.5) * T(int64_t(1) << FloatLayout<T>::fraction_bits));
  return (a + base) - base;
}

// e^x: x = n ln 2 + r with |r| <= ln(2) / 2, e^x = 2^n e^r.
template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
  using V = Vec<T>;
  using C = MathConstants<T>;
  x = max(V::set(C::exp_lowest), min(V::set(C::exp_highest), x));  // in this order both keep a NaN
  const V n = nearest<T>(x * V::set(T(1.4426950408889634)));
  const V r = fnma(n, V::set(C::ln2_low), fnma(n, V::set(C::ln2_high), x));
  // e^r = 1 + r + r^2 (1/2! + r/3! + ...)
  V series = V::set(T(kInverseFactorial[C::exp_terms]));
#pragma GCC unroll 16
  for (int k = C::exp_terms - 1; k >= 2; --k) series = fma(series, r, V::set(T(kInverseFactorial[k])));
  const V power = V::set(T(1)) + fma(series * r, r, r);
  // In two steps, as 2^n itself may be too large or too small for a normal number.
  const V half = nearest<T>(n * V::set(T(0.5)));
  return power * pow2(half) * pow2(n - half);
}

// log x: x = 2^e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), log(1 + f) = 2 artanh(s), s = f / (2 + f).
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
  const V s = f / (V::set(T(2)) + f), z = s * s;
  // 2 artanh(s) = 2 s + s * tail with tail = z (2/3 + 2/5 z + ...); and 2 s = f - s f, of which f is exact.
  V tail = V::set(T(2) / T(2 * C::log_terms - 1));
#pragma GCC unroll 16
  for (int k = C::log_terms - 1; k >= 2; --k) tail = fma(tail, z, V::set(T(2) / T(2 * k - 1)));
  tail = tail * z;
  const V half_square = V::set(T(0.5)) * f * f;
  // f - f^2/2 + s (f^2/2 + tail) is f - s f + s tail, with a smaller part that is rounded.
  const V small = half_square - fma(s, half_square + tail, e * V::set(C::ln2_low));
  const V result = fma(e, V::set(C::ln2_high), f - small);
  const V special = select(V::zero() > x, V::set(T(__builtin_nan(""))), x - infinity);  // x <= 0, or NaN
  return select(x > V::zero(), select(x > V::set(C::largest), x, result), special);
}

}  // namespace fastnn::FASTNN_ISA
