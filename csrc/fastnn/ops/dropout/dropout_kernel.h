#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

constexpr int64_t kUniformsPerCounter = 8;  // of 16 bits

// Elements of one example that lie together, the first of them at a multiple of kUniformsPerCounter.
template <class T>
struct DropoutRun {
  int64_t count;
  const T* x;
  T* y;
  uint64_t bits, example, block;  // block: the counter of the first element
  int threshold;
  T scale;
};

// Rows of elements that lie together, with a factor a column: 0 drops.
template <class T>
struct DropoutGroups {
  int64_t rows, columns;
  const T *x, *factors;
  T* y;
};

template <class T>
struct DropoutKernel {
  void (*run)(const DropoutRun<T>&);
  void (*groups)(const DropoutGroups<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> DropoutKernel<T> dropout_kernel())

}  // namespace fastnn
