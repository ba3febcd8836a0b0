// One stretch of gaussian_noise: words, their logarithms and angles, noise. See gaussian_noise.h.
#include "fastnn/ops/gaussian_noise/gaussian_noise_kernel.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/math.h"
#include "fastnn/simd/philox.h"

namespace fastnn::FASTNN_ISA {

// log u of gaussian_noise.h, v being (a + 1/2) / 2^32. Near 1 the digits of 1 - u are those of v.
template <class T>
static FASTNN_INLINE Vec<T> log_uniform(Vec<T> v) {
  using V = Vec<T>;
  const V one = V::set(T(1)), zero = V::zero();
  const V u = select(v > zero, v, one + v), m = mantissa(u);
  const auto large = m > V::set(T(1.4142135623730951));
  const V e = exponent(u) + select(large, one, zero);
  const V f = select(large, m * V::set(T(0.5)), m) - one;
  const auto far = V::set(T(-0.25)) > v;
  return log_parts<T>(e, select(v > zero, f, select(far, f, v)));
}

// cos and sin of `turn` quarter turns, from -2 to 2.
template <class T>
static FASTNN_INLINE void quarter_turns(Vec<T> turn, Vec<T>* cosine, Vec<T>* sine) {
  using V = Vec<T>;
  constexpr int kTerms = sizeof(T) == 4 ? 10 : 16;  // next terms: (pi/4)^11 / 11! = 2e-9, ^17 / 17! = 5e-17
  const V zero = V::zero(), half = V::set(T(0.5)), one = V::set(T(1)), q = nearest<T>(turn);
  const V z = (turn - q) * V::set(T(1.5707963267948966)), square = zero - z * z;
  V c = V::set(T(kInverseFactorial[kTerms])), s = V::set(T(kInverseFactorial[kTerms - 1]));
#pragma GCC unroll 8
  for (int k = kTerms - 2; k >= 2; k -= 2) {
    c = fma(c, square, V::set(T(kInverseFactorial[k])));
    s = fma(s, square, V::set(T(kInverseFactorial[k - 1])));
  }
  c = fma(c, square, one);
  s = s * z;
  const auto odd = abs(q) == one;
  const V x = select(odd, s, c), y = select(odd, c, s);
  *cosine = select(abs(q + half) > one, zero - x, x);  // q is -2, 1 or 2
  *sine = select(abs(q - half) > one, zero - y, y);    // q is -2, -1 or 2
}

template <class T>
void gaussian_noise_run(const NoiseRun<T>& run) {
  using V = Vec<T>;
  constexpr int kGroups = V::registers / 8;  // four words each, in half of the registers
  constexpr int64_t kCounters = kGroups * Words::lanes, kElements = kCounters * kNormalsPerCounter;
  constexpr int64_t kPairs = kElements / 2;
  // Rooms are whole registers, of which the last may be idle.
  constexpr int64_t kRoom = (kPairs + V::lanes - 1) / V::lanes * V::lanes;
  uint16_t halves[kCounters * kHalvesPerCounter];
  T a[kRoom] = {}, b[kRoom] = {}, noise[kElements];
  const V scale = V::set(T(0x1p-32)), half = V::set(T(0.5)), std = V::set(run.std);
  for (int64_t begin = 0; begin < run.count; begin += kElements) {
    philox4x32_7<kGroups>(run.bits, run.example,
                          run.block + static_cast<uint64_t>(begin / kNormalsPerCounter), halves);
    const auto word = [&](int64_t i) {
      return static_cast<T>(
          static_cast<int32_t>(halves[2 * i] | static_cast<uint32_t>(halves[2 * i + 1]) << 16));
    };
    for (int64_t i = 0; i < kPairs; ++i) {
      a[i] = word(2 * i);
      b[i] = word(2 * i + 1);
    }
    for (int64_t i = 0; i < kRoom; i += V::lanes) {
      const V radius = std * sqrt(V::set(T(-2)) * log_uniform<T>((V::load(a + i) + half) * scale));
      V cosine, sine;
      quarter_turns<T>((V::load(b + i) + half) * (scale * V::set(T(4))), &cosine, &sine);
      (radius * cosine).store(a + i);
      (radius * sine).store(b + i);
    }
    for (int64_t i = 0; i < kPairs; ++i) {
      noise[2 * i] = a[i];
      noise[2 * i + 1] = b[i];
    }
    const int64_t left = run.count - begin;
    for_each_register<V>(left < kElements ? left : kElements, [&](int64_t i, auto lanes) {
      store(load<V>(run.x + begin + i, lanes) + load<V>(noise + i, lanes), run.y + begin + i, lanes);
    });
  }
}

template void gaussian_noise_run(const NoiseRun<float>&);
template void gaussian_noise_run(const NoiseRun<double>&);

}  // namespace fastnn::FASTNN_ISA
