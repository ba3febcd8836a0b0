// prelu: a leaky ReLU whose slopes are learned, one for all values or one a channel.
//
//   forward    y  = x where x > 0, else slope x
//   backward   dx = dy where x > 0, else slope dy
//              dslope = sum of dy x where x <= 0, over all values or over those of a channel
//
// Shapes: x, dy, y, dx any with one slope; (N, C) or (N, C, H, W), slope (C,), with one a channel. Inputs
// have any strides. With one slope y and dx are dense in some order of axes, else their channels lie
// together; results overwrite. Sums run over blocks fixed by the shape and are joined in order, in double, so
// results are the same bits for any number of threads. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
void prelu_forward(const TensorView<const T>& x, T slope, const TensorView<T>& y);

template <class T>
void prelu_backward(const TensorView<const T>& dy, const TensorView<const T>& x, T slope,
                    const TensorView<T>& dx, T* dslope);

template <class T>
void prelu_channels_forward(const TensorView<const T>& x, const T* slope, const TensorView<T>& y);

template <class T>
void prelu_channels_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const T* slope,
                             const TensorView<T>& dx, T* dslope);

}  // namespace fastnn
