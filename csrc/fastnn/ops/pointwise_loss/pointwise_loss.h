// pointwise_loss: mean over examples and elements of a loss of a score s and a target t. With d = s - t:
//
//   squared    d^2                                              slope 2 d
//   absolute   |d|                                              sign(d), 0 at 0
//   huber      c (|d| - c / 2), c = min(|d|, delta)             d cut to [-delta, delta]
//   logistic   max(s, 0) - s t + log(1 + exp(-|s|))             1 / (1 + exp(-s)) - t
//
//   value   = sum_n w_n sum_j loss(s[n, j], t[n, j]) / (J sum_n w_n)        J elements an example; w_n = 1
//   dscores = dvalue * w_n / (J sum_n w_n) * slope(s[n, j], t[n, j])        without weights
//
// scores, targets and dscores have one shape, the batch first, and any strides but for dscores, which is
// dense with the batch slowest; weights are (N,). No example, negative or infinite weights and weights that
// sum to 0 throw. The value is summed in double from blocks fixed by the shape. dscores is overwritten and
// overlaps no input. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/pointwise_loss/pointwise_loss_kernel.h"

namespace fastnn {

struct PointwiseLossOptions {
  PointwiseLoss loss;
  double delta = 1;  // of huber
};

// `order` holds the strides of a dense array of the same shape, in whose order the elements are read.
template <class T>
double pointwise_loss_forward(const char* op, const TensorView<const T>& scores,
                              const TensorView<const T>& targets, const T* weights, const int64_t* order,
                              const PointwiseLossOptions& options);

template <class T>
void pointwise_loss_backward(const char* op, double dvalue, const TensorView<const T>& scores,
                             const TensorView<const T>& targets, const T* weights,
                             const TensorView<T>& dscores, const PointwiseLossOptions& options);

}  // namespace fastnn
