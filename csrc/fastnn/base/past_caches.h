// When results are written past the caches.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastnn/base/allocator.h"

namespace fastnn {

// Whether to stream `size` elements to `out`, whole cache lines at a time. Most of a result of this size has
// left the caches before anybody reads it, and lines that are streamed need not be fetched first. Not for
// what takes an input's place, which has been fetched.
template <class T>
bool goes_past_caches(const T* out, int64_t size) {
  constexpr size_t kOutOfCache = size_t{8} << 20;
  return static_cast<size_t>(size) * sizeof(T) >= kOutOfCache &&
         reinterpret_cast<uintptr_t>(out) % kAlignment == 0;
}

}  // namespace fastnn
