// The weights of examples in a mean.
#pragma once

#include <cmath>
#include <cstdint>

#include "fastnn/base/check.h"

namespace fastnn {

// Returns the sum of n weights, n itself where there are none. Throws on weights that are negative or not
// finite, and on a sum of 0.
template <class T>
double checked_weight_sum(const char* op, int64_t n, const T* weights) {
  check(n > 0, op, "scores: expected at least one example, got none");
  if (!weights) return static_cast<double>(n);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double weight = static_cast<double>(weights[i]);
    check(weight >= 0 && std::isfinite(weight), op, "weights: expected finite numbers >= 0, got ", weight,
          " in row ", i);
    total += weight;
  }
  check(total > 0, op, "weights: expected a positive sum, got 0");
  return total;
}

}  // namespace fastnn
