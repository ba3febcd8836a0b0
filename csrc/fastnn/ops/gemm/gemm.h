// gemm: the product of two matrices, with work on its operands' way in and its result's way out.
//
//   C[i, j] = act( sum_p f(A[i, p]) * B[p, j] + bias[j] + residual[i, j] )     i < m, j < n, p < k
//
// f is the prologue (an affine map and ReLU by column of A, the shape of a normalisation), the rest the
// epilogue. Shapes: A (m, k) and B (k, n), any strides, so that a transpose is a view; C (m, n), its columns
// contiguous. C must not overlap an input, and it is overwritten. Shape and strides alone say in which order
// the terms of an element are added, so that results are the same bits for any number of threads; they may
// differ between instruction sets. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

#include "fastnn/base/allocator.h"
#include "fastnn/base/tensor_view.h"

namespace fastnn {

// f(a) = max(0, a * scale[p] + shift[p]), each part optional. scale and shift come together.
template <class T>
struct Prologue {
  const T* scale = nullptr;  // (k,)
  const T* shift = nullptr;  // (k,)
  bool relu = false;

  bool empty() const { return !scale && !relu; }
};

template <class T>
struct Epilogue {
  const T* bias = nullptr;            // (n,)
  MatrixView<const T> residual = {};  // (m, n) where data is set; its columns must be contiguous
  bool relu = false;
  double* mean = nullptr;         // (n,) mean of each column of C, as written
  double* sum_squares = nullptr;  // (n,) sum over rows of (C - mean)^2; set together with mean
};

// A right operand laid out for the kernels: columns in panels as wide as a register tile, rows one after
// another. Worth keeping for as long as B is multiplied with several A. Valid for the ISA that was active
// when it was packed.
template <class T>
struct PackedMatrix {
  Buffer<T> data;
  int64_t rows = 0, cols = 0;
  int width = 0;  // columns a panel; the last panel is padded with zeros
};

template <class T>
PackedMatrix<T> gemm_pack(MatrixView<const T> b);

template <class T>
void gemm(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c, const Prologue<T>& prologue = {},
          const Epilogue<T>& epilogue = {});

template <class T>
void gemm(MatrixView<const T> a, const PackedMatrix<T>& b, MatrixView<T> c, const Prologue<T>& prologue = {},
          const Epilogue<T>& epilogue = {});

// Joins column statistics of parts of a matrix, `rows[i]` rows each, in their order and in double: mean and
// sum_squares (parts, n) as the micro-kernel leaves them, into those of the epilogue.
template <class T>
void gemm_join_statistics(const T* mean, const T* sum_squares, const int64_t* rows, int64_t parts, int64_t n,
                          const Epilogue<T>& epilogue);

// out[j] = sum_i a[i, j]: a row of ones times A, which is as fast as memory.
template <class T>
void column_sums(MatrixView<const T> a, T* out);

}  // namespace fastnn
