// pointwise_loss in plain loops: the truth that the kernels are compared with. Scores and targets are
// (examples, size), one row after another.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastnn/ops/pointwise_loss/pointwise_loss.h"

namespace fastnn {

inline double pointwise_value_ref(const PointwiseLossOptions& options, double s, double t) {
  const double size = std::fabs(s - t);
  switch (options.loss) {
    case PointwiseLoss::squared:
      return size * size;
    case PointwiseLoss::absolute:
      return size;
    case PointwiseLoss::huber:
      return size <= options.delta ? size * size / 2 : options.delta * (size - options.delta / 2);
    case PointwiseLoss::logistic:
      return std::max(s, 0.0) - s * t + std::log1p(std::exp(-std::fabs(s)));
  }
  return 0;
}

inline double pointwise_slope_ref(const PointwiseLossOptions& options, double s, double t) {
  const double d = s - t;
  switch (options.loss) {
    case PointwiseLoss::squared:
      return 2 * d;
    case PointwiseLoss::absolute:
      return d > 0 ? 1 : d < 0 ? -1 : 0;
    case PointwiseLoss::huber:
      return std::fabs(d) <= options.delta ? d : std::copysign(options.delta, d);
    case PointwiseLoss::logistic:
      return 1 / (1 + std::exp(-s)) - t;
  }
  return 0;
}

// Returns the value, and writes the slopes times `dvalue`.
template <class T>
double pointwise_loss_ref(int64_t examples, int64_t size, const T* scores, const T* targets, const T* weights,
                          const PointwiseLossOptions& options, double dvalue, T* dscores) {
  long double sum = 0;  // of many terms
  double total = 0;
  for (int64_t n = 0; n < examples; ++n) total += weights ? double(weights[n]) : 1;
  for (int64_t i = 0; i < examples * size; ++i) {
    const double share = (weights ? double(weights[i / size]) : 1) / (total * double(size));
    const double s = double(scores[i]), t = double(targets[i]);
    sum += share * pointwise_value_ref(options, s, t);
    dscores[i] = static_cast<T>(dvalue * share * pointwise_slope_ref(options, s, t));
  }
  return static_cast<double>(sum);
}

}  // namespace fastnn
