// layernorm: normalises the last axes of every row by themselves, scales and shifts each place.
//
//   forward    mean, var of each row; var biased
//              xhat = (x - mean) / sqrt(var + eps),  y = gamma xhat + beta
//   backward   dgamma = sum(dy xhat),  dbeta = sum(dy) over the rows
//              with e = gamma dy and means over the row:
//              dx = (e - mean(e) - xhat mean(e xhat)) / sqrt(var + eps)
//
// Shapes: x, y, dy, dx any; gamma and beta have the shape of x's last axes, which make a row, and any
// strides; dgamma and dbeta are dense in C order; statistics (2, rows), means before variances, in double.
// Inputs have any strides; y and dx are dense, the axes of a row the fastest, in whatever order, and are
// overwritten. Sums over rows run over chunks fixed by the shape and are joined in order, so results are the
// same bits for any number of threads. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
struct LayerNorm {
  TensorView<const T> gamma, beta;
  double eps;
};

template <class T>
void layernorm_forward(const TensorView<const T>& x, const LayerNorm<T>& norm, const TensorView<T>& y,
                       double* statistics);

template <class T>
void layernorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const LayerNorm<T>& norm,
                        const double* statistics, const TensorView<T>& dx, const TensorView<T>& dgamma,
                        const TensorView<T>& dbeta);

}  // namespace fastnn
