// relu: cuts negative values off.
//
//   forward    y  = max(x, 0)              NaN stays NaN
//   backward   dx = dy where x > 0, else 0
//
// Any shape. x and dy have any strides; y and dx are dense in some order of axes, and are overwritten. They
// may be the memory of x or dy if their strides agree. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
void relu_forward(const TensorView<const T>& x, const TensorView<T>& y);

template <class T>
void relu_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const TensorView<T>& dx);

}  // namespace fastnn
