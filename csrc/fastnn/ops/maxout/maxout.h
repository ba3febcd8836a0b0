// maxout: the greatest of k pieces.
//
//   forward    y[n, c] = max over j < k of x[n, j C + c]          NaN counts as the greatest
//   backward   dx[n, j C + c] = dy[n, c] for the first j that attains the maximum, else 0
//
// Shapes: x, dx (N, k C) or (N, k C, H, W); y, dy (N, C) or (N, C, H, W). Inputs have any strides, and are
// converted once unless their channels lie together; results are dense with channels last, and overwrite.
// No index is kept: backward finds the winner again. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
void maxout_forward(const TensorView<const T>& x, const TensorView<T>& y);

template <class T>
void maxout_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const TensorView<T>& dx);

}  // namespace fastnn
