// winograd: 3x3 convolution with stride 1 or 2 by Winograd's minimal filtering, F(m x m, 3 x 3) with m = 2
// or 4.
//
//   Y = A^T [ (G g G^T) o (B^T d B) ] A        for each m x m tile of output
//
// d is the (m+2) x (m+2) patch of input under the tile, g the filter, o the elementwise product. Summed over
// input channels the products become (m+2)^2 independent matrix products of (tiles x C) by (C x F), with m^2
// * 9 / (m+2)^2 fewer multiplications than the direct form: 4 times for m = 4, 2.25 times for m = 2. The
// interpolation points are 0, +-5/8, +-3/2, infinity for m = 4 (about half the error of 0, +-1, +-2,
// infinity), and 0, +-1, infinity for m = 2. Lavin and Gray, 2015, https://arxiv.org/abs/1509.09308; points
// as in Alam et al., "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", 2022.
//
// With stride 2 a filter falls apart by the pixels that it meets: along each axis, even ones meet taps 0 and
// 2 as F(4, 2), odd ones tap 1. That is 5 + 4 products for 4 outputs in place of 12, 1.8 times fewer in two
// dimensions. Even and odd have their sums in common, at the points +-1/2, +-5/4, infinity.
//
// The truth that it is compared with is conv2d_ref.h.
// Inputs have any strides, and are gathered channels-last once if they are not. Results overwrite; images lie
// in N,H,W,C memory. Thread-safe; results are the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "fastnn/base/kept.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/gemm/gemm.h"

namespace fastnn {

// y[n, f, i, j] = act( sum_{c, a, b} x[n, c, S i + a - pad_h, S j + b - pad_w] * w[f, c, a, b] + bias +
// residual ) x (N, C, H, W), w (F, C, 3, 3), y (N, F, (H + 2 pad_h - 3) / S + 1, (W + 2 pad_w - 3) / S + 1);
// padding 0 to 2 on each side. The epilogue's residual is a matrix (N*OH*OW, F). m is 2 or 4, and 4 with
// stride 2. `kept`, one for each w, holds the transformed filters from one call to the next. `input_norm`, or
// null: see conv2d_forward.
template <class T>
void winograd_forward(int m, int64_t stride, TensorView<const T> x, TensorView<const T> w, int64_t pad_h,
                      int64_t pad_w, TensorView<T> y, const Epilogue<T>& epilogue = {}, Kept* kept = nullptr,
                      const BatchNorm<T>* input_norm = nullptr);

// dx, the gradient of winograd_forward by x: a forward pass over dy with filters turned by 180 degrees. The
// epilogue's residual is a matrix (N*H*W, C). `reduction`, or null, is for the batch norm whose output x was.
template <class T>
void winograd_backward_data(int m, int64_t stride, TensorView<const T> dy, TensorView<const T> w,
                            int64_t pad_h, int64_t pad_w, TensorView<T> dx, const Epilogue<T>& epilogue = {},
                            const NormReduction<T>* reduction = nullptr);

// dw (F, C, 3, 3), C-contiguous: the adjoint of the transforms,
//   dw = G^T [ sum over tiles of (B^T d B) o (A dY A^T) ] G.
// `input_norm` as in winograd_forward.
template <class T>
void winograd_backward_weights(int m, int64_t stride, TensorView<const T> dy, TensorView<const T> x,
                               int64_t pad_h, int64_t pad_w, T* dw, const BatchNorm<T>* input_norm = nullptr);

// The same in the thin form, where winograd_is_thin, and db (F,) unless that is null: rows are transformed,
//   dw^v = sum over rows of pixels i of [ sum over tiles t of (B^T d_{i + v, t}) o (A dY_{i, t}) ] G
// for row v of the filters' taps.
template <class T>
void winograd_thin_backward_weights(TensorView<const T> dy, TensorView<const T> x, int64_t pad_h,
                                    int64_t pad_w, T* dw, T* db);

// Whether winograd_forward, without an input norm, takes the thin form: few channels, whose products never
// leave the registers.
bool winograd_is_thin(int m, int64_t stride, int64_t channels);
int64_t winograd_thin_channels();  // the most that it is for

// Elements a vector register of the active instruction set holds, on which the choice of algorithm depends.
template <class T>
int winograd_lanes();

}  // namespace fastnn
