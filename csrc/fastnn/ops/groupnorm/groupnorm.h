// groupnorm: normalises groups of channels of every example by themselves, scales and shifts each channel.
//
//   forward    mean, var of each example and group over its channels and pixels; var biased
//              xhat = (x - mean) / sqrt(var + eps),  y = gamma xhat + beta
//   backward   dgamma = sum(dy xhat),  dbeta = sum(dy) over examples and pixels
//              with e = gamma dy and means over the group:
//              dx = (e - mean(e) - xhat mean(e xhat)) / sqrt(var + eps)
//
// One group a channel is instance norm; one group in all is layer norm with a scale a channel.
//
// Shapes: x, y, dy, dx (N, C) or (N, C, H, W); gamma, beta (C,); statistics (2, N, groups), means before
// variances, in double; groups divides C. Inputs have any strides, and are converted once unless their
// channels lie together; results are dense with channels last, and overwrite. Examples are joined in order,
// so results are the same bits for any number of threads. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
struct GroupNorm {
  const T* gamma;
  const T* beta;
  int64_t groups;
  double eps;
};

template <class T>
void groupnorm_forward(const TensorView<const T>& x, const GroupNorm<T>& norm, const TensorView<T>& y,
                       double* statistics);

template <class T>
void groupnorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const GroupNorm<T>& norm,
                        const double* statistics, const TensorView<T>& dx, T* dgamma, T* dbeta);

}  // namespace fastnn
