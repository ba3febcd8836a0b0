// Arithmetic on sizes, refusing overflow.
#pragma once

#include <cstdint>

#include "fastnn/base/check.h"

namespace fastnn {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// The product of two sizes, refused when it leaves 63 bits.
inline int64_t checked_mul(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    fail("shape", "size: expected a product below 2^63, got ", a, " * ", b);
  return product;
}

// Part `index` of `total` items cut into `parts` runs whose lengths differ by at most one: where it begins.
// Equal runs waste least: 20 rows become 10 + 10 on a 14-row kernel, not 14 + 6.
inline int64_t part_begin(int64_t total, int64_t parts, int64_t index) {
  if (parts == 1) return total * index;  // small work feels the divisions
  return total / parts * index + (total % parts) * index / parts;
}

}  // namespace fastnn
