// im2col: the patch under every place of a kernel, written out, so that convolution becomes a product; and
// its transpose, which adds every patch back to where it came from.
//
//   im2col   cols[n, (c*KH + kh)*KW + kw, oh*OW + ow]  = xpad[n, c, oh*SH + kh*DH, ow*SW + kw*DW]
//   col2im   dxpad[n, c, oh*SH + kh*DH, ow*SW + kw*DW] = sum of the cols[n, (c*KH + kh)*KW + kw, oh*OW + ow]
//
// Shapes: images (N, C, H, W), columns (N, C*KH*KW, OH*OW), all of any strides; results overwrite.
// KH*KW times the memory of the images: the readable way, and the second opinion of conv2d. Thread-safe.
#pragma once

#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"

namespace fastnn {

template <class T>
void im2col(TensorView<const T> x, const Window2d& window, TensorView<T> cols);

template <class T>
void col2im(TensorView<const T> cols, const Window2d& window, TensorView<T> dx);

}  // namespace fastnn
