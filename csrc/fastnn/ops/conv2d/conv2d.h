// conv2d: two-dimensional convolution (cross-correlation, as every framework has it), three passes.
//
//   forward    y[n,f,i,j] = act( b[f] + sum_{c,kh,kw} w[f,c,kh,kw] * g(xpad)[n, c, i*SH + kh*DH, j*SW +
//   kw*DW] ) backward   dx[n,c,p,q] = sum of dy[n,f,i,j] * w[f,c,kh,kw] over all terms of the forward sum
//   with that pixel
//              dw[f,c,kh,kw] = sum_{n,i,j} dy[n,f,i,j] * xpad[n, c, i*SH + kh*DH, j*SW + kw*DW]
//              db[f] = sum_{n,i,j} dy[n,f,i,j]
//
// Shapes: x (N, C, H, W), w (F, C/groups, KH, KW), y (N, F, OH, OW); filters and channels are cut into
// `groups` equal runs that see each other only. Inputs have any strides. Results overwrite: y and dx lie in
// N,H,W,C memory, dw and db in C order. g is the prologue by input channel; padding is zero after it.
// Epilogue vectors are by filter, its residual is a matrix (N*OH*OW, F).
//
// Sums are cut into runs fixed by the shape: the same bits for any number of threads. Thread-safe.
#pragma once

#include "fastnn/base/kept.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/gemm/gemm.h"

namespace fastnn {

// direct: no matrix of patches, no term but those of the sums above; im2col: patches written out, then gemm;
// winograd: 3x3 with stride 1 or 2 in fewer multiplications; automatic: the fastest by shape, element type
// and instruction set, where terms that are zero may join a sum.
enum class ConvAlgo { automatic, direct, im2col, winograd };

struct Conv2dSettings {
  Window2d window;
  int64_t groups = 1;
  ConvAlgo algo = ConvAlgo::automatic;
};

// Whether the Winograd form exists: 3x3, stride 1 or 2, dilation 1, padding at most 2, one group.
bool winograd_applies(const Conv2dSettings& settings);

// What `automatic` stands for in passes of x (n, c, h, w) with f filters, in float or double; with filters
// that are ready when they are kept from an earlier call.
template <class T>
ConvAlgo conv2d_choose(const int64_t (&x_shape)[kMaxRank], int64_t f, const Conv2dSettings& settings,
                       bool filters_ready = false);

// Whether conv2d_forward and conv2d_backward take an `input_norm`: they apply it to every pixel they read.
template <class T>
bool conv2d_takes_input_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                             const Conv2dSettings& settings);

// `kept`, one for each w and settings, holds the filters as the kernels read them from one call to the next.
// `input_norm`, or null, stands before the convolution and has no residual: x is its input, and its output,
// around which padding is zero, is never written.
template <class T>
void conv2d_forward(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                    const Conv2dSettings& settings, const Prologue<T>& prologue = {},
                    const Epilogue<T>& epilogue = {}, Kept* kept = nullptr,
                    const BatchNorm<T>* input_norm = nullptr);

// Whether conv2d_backward can reduce on the way: it writes dx in one go, whole pixels at a time.
template <class T>
bool conv2d_reduces(const TensorView<const T>& x, const TensorView<const T>& w,
                    const Conv2dSettings& settings);

// Whether conv2d_backward can take the batch norm behind it along: each piece of dy meets all that it is for.
template <class T>
bool conv2d_takes_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                       const Conv2dSettings& settings);

// dx and dw are skipped where their data is null, and so is db, which needs dw. dx_residual, of dx's shape,
// is added to dx where it has data. Of x only the shape counts without dw. `reduction`, or null, is for the
// batch norm whose output x was; only where conv2d_reduces. `input_norm` as in conv2d_forward, for dw.
template <class T>
void conv2d_backward(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w, TensorView<T> dx,
                     TensorView<T> dw, T* db, const Conv2dSettings& settings,
                     const TensorView<const T>& dx_residual = {}, const NormReduction<T>* before = nullptr,
                     const NormBackward<T>* behind = nullptr, const BatchNorm<T>* input_norm = nullptr);

}  // namespace fastnn
