// avgpool2d: the mean of every window. A window as large as the image gives global average pooling.
//
//   forward    y[n,c,i,j] = 1/cells(i,j) * sum over (kh, kw) of xpad[n,c, i*stride + kh, j*stride + kw]
//   backward   dx[n,c,h,w] = sum of dy / cells over the windows that cover (h, w)
//
// cells is KH*KW, or, unless padding is counted, the number of cells inside the image. Shapes, strides and
// threads as in maxpool2d.h.
#pragma once

#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"

namespace fastnn {

template <class T>
void avgpool2d_forward(const TensorView<const T>& x, const Window2d& window, bool count_include_pad,
                       const TensorView<T>& y);

template <class T>
void avgpool2d_backward(const TensorView<const T>& dy, const Window2d& window, bool count_include_pad,
                        const TensorView<T>& dx);

}  // namespace fastnn
