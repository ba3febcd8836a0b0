// hinge in plain loops: the truth that the kernels are compared with.
#pragma once

#include <cstddef>
#include <vector>

#include "fastnn/ops/hinge/hinge.h"

namespace fastnn {

// Calls visit(i, j, excess, weight) for every wrong class that scores too high.
template <class T, class Visit>
void hinge_for_each_violation_ref(MatrixView<const T> scores, const HingeTargets<T>& targets, Visit visit) {
  for (int64_t i = 0; i < scores.rows; ++i) {
    const T* row = scores.data + i * scores.row_stride;
    for (int64_t j = 0; j < scores.cols; ++j) {
      const double excess = double(row[j]) - double(row[targets.labels[i]]) + targets.margin;
      if (j != targets.labels[i] && excess > 0)
        visit(i, j, excess, targets.weights ? double(targets.weights[i]) : 1);
    }
  }
}

template <class T>
double hinge_total_weight_ref(int64_t rows, const HingeTargets<T>& targets) {
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) total += targets.weights ? double(targets.weights[i]) : 1;
  return total;
}

template <class T>
double hinge_forward_ref(MatrixView<const T> scores, const HingeTargets<T>& targets) {
  double sum = 0;
  hinge_for_each_violation_ref(
      scores, targets, [&](int64_t, int64_t, double excess, double weight) { sum += weight * excess; });
  return sum / hinge_total_weight_ref(scores.rows, targets);
}

template <class T>
void hinge_backward_ref(double dvalue, MatrixView<const T> scores, const HingeTargets<T>& targets,
                        MatrixView<T> dscores) {
  const double total = hinge_total_weight_ref(scores.rows, targets);
  std::vector<long double> sums(static_cast<size_t>(scores.rows * scores.cols));
  hinge_for_each_violation_ref(scores, targets, [&](int64_t i, int64_t j, double, double weight) {
    sums[static_cast<size_t>(i * scores.cols + j)] += dvalue * weight / total;
    sums[static_cast<size_t>(i * scores.cols + targets.labels[i])] -= dvalue * weight / total;
  });
  for (int64_t i = 0; i < scores.rows; ++i) {
    for (int64_t j = 0; j < scores.cols; ++j) {
      dscores.data[i * dscores.row_stride + j] =
          static_cast<T>(sums[static_cast<size_t>(i * scores.cols + j)]);
    }
  }
}

}  // namespace fastnn
