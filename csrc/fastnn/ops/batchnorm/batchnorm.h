// batchnorm: normalises every channel over the batch, scales and shifts it; ReLU and a residual can follow.
//
//   statistics  mean = sum(x) / count,  var = sum((x - mean)^2) / count        biased; count values a channel
//   forward     xhat = (x - mean) / sqrt(var + eps)
//               y = act(gamma xhat + beta + residual)
//   backward    dy' = dy where y > 0 (with ReLU), else dy
//               dgamma = sum(dy' xhat),  dbeta = sum(dy'),  dresidual = dy'
//               dx = gamma / sqrt(var + eps) * (dy' - dbeta / count - xhat dgamma / count)
//               with constant statistics (inference) the two means are absent from dx
//
// Shapes: x, y, dy, residual (N, C) or (N, C, H, W); gamma, beta, mean, var (C,). Inputs have any strides,
// and are converted once unless their channels lie together; results are dense with channels last and
// overwrite. Statistics are held in double, so that nothing is lost between the passes. Neither xhat nor a
// mask of the ReLU is kept: backward takes both from x. Sums run over chunks of rows fixed by the shape and
// are joined in order, so results are the same bits for any number of threads. Thread-safe. T is float or
// double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
struct BatchNorm {
  const T* gamma;
  const T* beta;
  const double* mean;
  const double* var;
  double eps;
  bool relu;
  TensorView<const T> residual;  // absent where data is null
};

// What batchnorm_backward needs of its dy, taken by whoever writes that: dy' takes dy's
// place, and sum = sum of dy' and product = sum of dy' (x - mean rounded to T) are its `sums`.
template <class T>
struct NormReduction {
  TensorView<const T> x;
  BatchNorm<T> norm;
  double *sum, *product;  // (C,)
};

// batchnorm_backward as part of a pass that reads dx piece by piece: dx is never written. dy is dy' and has
// `sums`; there is no residual.
template <class T>
struct NormBackward {
  TensorView<const T> x;
  BatchNorm<T> norm;
  bool training;
  const double* sums;
  T *dgamma, *dbeta;
};

template <class T>
void batchnorm_statistics(const TensorView<const T>& x, double* mean, double* var);

template <class T>
void batchnorm_forward(const TensorView<const T>& x, const BatchNorm<T>& norm, const TensorView<T>& y);

// Moves running statistics, in place, towards those of a batch with `count` values a channel:
// running = (1 - momentum) running + momentum batch, the variance made unbiased first. statistics holds mean
// and biased variance, 2 * channels.
template <class T>
void batchnorm_track(const double* statistics, int64_t channels, int64_t count, double momentum,
                     T* running_mean, T* running_var);

// `training` says that mean and var are those of x, and depend on it. dresidual is skipped where its data is
// null. `sums` (2, channels), or null, says that dy is dy' already, and what its sums are: of dy', and of
// dy' (x - mean rounded to T). dx may be dy's memory.
template <class T>
void batchnorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const BatchNorm<T>& norm,
                        bool training, const double* sums, const TensorView<T>& dx,
                        const TensorView<T>& dresidual, T* dgamma, T* dbeta);

}  // namespace fastnn
