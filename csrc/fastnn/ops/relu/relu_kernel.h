#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// On `count` elements that lie together. `stream`: the result goes past the caches; it begins a cache line.
template <class T>
struct ReluKernel {
  void (*forward)(int64_t count, const T* x, T* y, bool stream);
  void (*backward)(int64_t count, const T* dy, const T* x, T* dx, bool stream);
};

FASTNN_DECLARE_KERNEL(template <class T> ReluKernel<T> relu_kernel())

}  // namespace fastnn
