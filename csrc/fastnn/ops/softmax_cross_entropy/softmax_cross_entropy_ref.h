// softmax_cross_entropy in plain loops: the truth that the kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastnn/ops/softmax/softmax_ref.h"
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy.h"

namespace fastnn {

template <class T>
double softmax_cross_entropy_forward_ref(MatrixView<const T> scores, const LossTargets<T>& targets) {
  double total = 0, total_weight = 0;
  for (int64_t i = 0; i < scores.rows; ++i) {
    const T* row = scores.data + i * scores.row_stride;
    const double right = double(row[targets.labels[i]]);
    double shift = right, sum = 0;
    for (int64_t j = 0; j < scores.cols; ++j) shift = std::max(shift, double(row[j]));
    for (int64_t j = 0; j < scores.cols; ++j) sum += std::exp(double(row[j]) - shift);
    const double weight = targets.weights ? double(targets.weights[i]) : 1;
    total += weight * (std::log(sum) - (right - shift));
    total_weight += weight;
  }
  return total / total_weight;
}

template <class T>
void softmax_cross_entropy_backward_ref(double dvalue, MatrixView<const T> probs,
                                        const LossTargets<T>& targets, MatrixView<T> dscores) {
  double total_weight = 0;
  for (int64_t i = 0; i < probs.rows; ++i) total_weight += targets.weights ? double(targets.weights[i]) : 1;
  for (int64_t i = 0; i < probs.rows; ++i) {
    const double scale = dvalue * (targets.weights ? double(targets.weights[i]) : 1) / total_weight;
    for (int64_t j = 0; j < probs.cols; ++j) {
      const double p = double(probs.data[i * probs.row_stride + j]);
      dscores.data[i * dscores.row_stride + j] = T(scale * (p - (j == targets.labels[i] ? 1 : 0)));
    }
  }
}

}  // namespace fastnn
