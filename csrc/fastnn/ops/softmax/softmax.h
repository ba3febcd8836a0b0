// softmax: the rows of a matrix as probabilities.
//
//   y[i, j] = exp(x[i, j] - shift[i]) / sum_j exp(x[i, j] - shift[i]),   shift[i] = max_j x[i, j]
//
// x and y are (rows, cols), their columns contiguous, cols >= 1; y is overwritten and may be x itself, else
// must not overlap it. No finite score overflows. A row that holds NaN, +infinity or nothing but -infinity
// becomes NaN. Where given (both or none), shift and log_sum (rows,) are overwritten with the rows' maxima
// and log sum_j exp(x[i, j] - shift[i]): -log y[i, j] is log_sum[i] - (x[i, j] - shift[i]), without
// cancellation. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
void softmax(MatrixView<const T> x, MatrixView<T> y, double* shift = nullptr, double* log_sum = nullptr);

}  // namespace fastnn
