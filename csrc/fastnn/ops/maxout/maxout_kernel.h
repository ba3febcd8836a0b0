#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// One row, a pixel of an image: x is (pieces, channels), dense; y and dy are (channels,).
template <class T>
struct MaxoutKernel {
  void (*forward)(int64_t pieces, int64_t channels, const T* x, T* y);
  void (*backward)(int64_t pieces, int64_t channels, const T* dy, const T* x, T* dx);
};

FASTNN_DECLARE_KERNEL(template <class T> MaxoutKernel<T> maxout_kernel())

}  // namespace fastnn
