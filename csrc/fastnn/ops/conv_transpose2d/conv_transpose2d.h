// conv_transpose2d: the transpose of a convolution, which makes images larger where that makes them smaller.
//
//   forward    y[n,f,p,q] = b[f] + sum of x[n,c,i,j] * w[c,f,kh,kw] over all terms with
//              p = i*SH - PH + kh*DH and q = j*SW - PW + kw*DW
//   backward   dx[n,c,i,j] = sum of dy[n,f,p,q] * w[c,f,kh,kw], dw[c,f,kh,kw] = sum of x[n,c,i,j] *
//   dy[n,f,p,q]
//              over the same terms; db[f] = sum_{n,p,q} dy[n,f,p,q]
//
// Each pass is one of conv2d's, in which x and y have changed places: forward is its backward to the input,
// backward its forward and its backward to the weights. Shapes: x (N, C, H, W), w (C, F/groups, KH, KW),
// y (N, F, OH, OW) such that conv2d of `settings` over y has the size of x. Strides, aliasing, threads and
// bits as in conv2d.h; b and db may be null.
#pragma once

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

template <class T>
void conv_transpose2d_forward(const TensorView<const T>& x, const TensorView<const T>& w, const T* b,
                              const TensorView<T>& y, const Conv2dSettings& settings);

// dx and dw are skipped where their data is null.
template <class T>
void conv_transpose2d_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                               const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw,
                               T* db, const Conv2dSettings& settings);

}  // namespace fastnn
