// gaussian_noise in plain loops: the truth.
#pragma once

#include <cmath>

#include "fastnn/base/philox_ref.h"
#include "fastnn/ops/gaussian_noise/gaussian_noise.h"

namespace fastnn {

// The normal number of element e of an example.
inline double normal_ref(uint64_t bits, uint64_t example, uint64_t e) {
  const int pair = static_cast<int>(e % 4 / 2) * 2;
  const auto place = [&](int word) {
    return (static_cast<int32_t>(philox_word_ref(bits, example, e / 4, pair + word)) + 0.5) * 0x1p-32;
  };
  const double a = place(0), angle = 2 * 3.14159265358979323846 * place(1);
  const double radius = std::sqrt(-2 * (a > 0 ? std::log(a) : std::log1p(a)));
  return radius * (e % 2 ? std::sin(angle) : std::cos(angle));
}

// Examples of `size` elements, each in the order of its numbers.
template <class T>
void gaussian_noise_ref(int64_t examples, int64_t size, const T* x, const NoiseStream& stream, T std, T* y) {
  for (int64_t n = 0; n < examples; ++n) {
    for (int64_t e = 0; e < size; ++e) {
      const double normal =
          normal_ref(stream.bits, stream.example + static_cast<uint64_t>(n), static_cast<uint64_t>(e));
      y[n * size + e] =
          static_cast<T>(static_cast<double>(x[n * size + e]) + static_cast<double>(std) * normal);
    }
  }
}

}  // namespace fastnn
