#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

constexpr int64_t kNormalsPerCounter = 4;

// Elements of one example that lie together, the first of them at a multiple of kNormalsPerCounter.
template <class T>
struct NoiseRun {
  int64_t count;
  const T* x;
  T* y;
  uint64_t bits, example, block;  // block: the counter of the first element
  T std;
};

FASTNN_DECLARE_KERNEL(template <class T> void gaussian_noise_run(const NoiseRun<T>& run))

}  // namespace fastnn
