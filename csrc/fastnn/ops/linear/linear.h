// linear: the fully connected layer, three products of matrices.
//
//   forward    y  = act(x w^T + b)                 x (N, in), w (out, in), b (out,), y (N, out)
//   backward   dx = dy w,  dw = dy^T x,  db[j] = sum over rows of dy[:, j]
//
// All results overwrite and are C-contiguous; inputs have any strides. Thread-safe.
#pragma once

#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/gemm/gemm.h"

namespace fastnn {

template <class T>
void linear_forward(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> y,
                    const Prologue<T>& prologue = {}, const Epilogue<T>& epilogue = {});

// dx, dw and db are skipped where their data is null.
template <class T>
void linear_backward(MatrixView<const T> dy, MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> dx,
                     MatrixView<T> dw, T* db);

}  // namespace fastnn
