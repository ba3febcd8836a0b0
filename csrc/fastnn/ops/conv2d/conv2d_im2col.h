// Convolution as im2col and gemm, for all passes: the second opinion. Private to conv2d*.cc.
//
//   P = patches of x, a matrix (N*OH*OW, C*KH*KW)
//   forward    y  = P w^T
//   backward   dw = dy^T P,  dx = col2im(dy w),  db = column sums of dy
#pragma once

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

template <class T>
void conv2d_forward_im2col(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                           const Conv2dSettings& settings, const Epilogue<T>& epilogue);

template <class T>
void conv2d_backward_im2col(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w,
                            TensorView<T> dx, TensorView<T> dw, T* db, const Conv2dSettings& settings);

}  // namespace fastnn
