// The micro-kernel: one register tile of a product, shared by gemm and the three passes of convolution.
//
// It multiplies `runs` pairs of short matrices and adds the products up in registers. gemm has one run; a
// convolution has one run for each row of filter taps (or of pixels), whose operands lie apart: where the
// data is stays separate from how to multiply it.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

constexpr int64_t kOneRun = 0;  // offset of the only run

template <class T>
struct GemmTile {
  // C[i, j] (+)= sum_r sum_p a[a_offset[r] + i * a_row + p * a_col] * b[b_offset[r] + p * b_row + j],
  // i < rows, j < cols, r < runs, p < depth
  const T* a;
  const T* b;
  const int64_t* a_offset = &kOneRun;
  const int64_t* b_offset = &kOneRun;
  int64_t runs, depth;
  int64_t a_row, a_col;  // one of the two is 1
  int64_t b_row;
  T* c;
  int64_t c_row;
  int rows, cols;   // at most the kernel's; b is readable up to its panel's width unless b_masked
  bool b_masked;    // columns of b beyond cols must not be read
  bool accumulate;  // add to what stands in C
  const T* ahead;   // or null: memory to be fetched meanwhile, a row as wide as the tile for each p
  int64_t ahead_row = 64 / sizeof(T);  // from one such row to the next; so set: a cache line after another

  // Applied when `finish` is set: after the last run of the last block of the sum.
  bool finish;
  const T* bias;      // (cols,) or null
  const T* residual;  // or null
  int64_t residual_row;
  bool relu;
  T* mean;         // (cols,) running column means of the rows finished so far, or null
  T* sum_squares;  // (cols,) their sums of squared deviations
  int64_t seen;    // rows that mean and sum_squares already cover
};

// C[i, j] = sum_p a[i * a_row + p] * b[j * b_col + p], i < rows, j < cols: for a B whose columns are
// contiguous and that too few rows of A meet to be worth packing. c_row is at least cols.
template <class T>
struct GemmDot {
  const T* a;
  const T* b;
  int64_t a_row, b_col, depth;
  int rows, cols;
  T* c;
  int64_t c_row;
};

// Packs rows of A, through the prologue, so that the kernel reads it in order: out[p * rows + i].
template <class T>
struct GemmPackA {
  const T* a;
  int64_t a_row, a_col;
  int rows;
  int64_t depth;
  const T* scale;  // (depth,) or null
  const T* shift;
  bool relu;
  T* out;
};

// Packs `cols` columns of B into one panel `width` wide: out[p * width + j], zero for j >= cols.
template <class T>
struct GemmPackB {
  const T* b;
  int64_t b_row, b_col;
  int cols, width;
  int64_t depth;
  T* out;
};

// What one instruction set offers: kernel and block sizes travel together.
template <class T>
struct GemmKernel {
  int rows, cols;   // of the largest register tile
  int lanes;        // of a register
  int narrow_rows;  // of the largest tile that is one register wide
  int64_t depth;  // most terms of a run of the sum: a panel of B, depth x cols, and a strip of A stay in the
                  // second cache
  // Columns of the widest tile of so many rows; fewer rows have more. Tiles wider than `cols` fetch nothing
  // ahead and take no statistics.
  int (*wide_cols)(int rows);
  void (*tile)(const GemmTile<T>&);
  void (*dot)(const GemmDot<T>&);
  void (*pack_a)(const GemmPackA<T>&);
  void (*pack_b)(const GemmPackB<T>&);

  int rows_of(int64_t width) const { return width <= lanes ? narrow_rows : rows; }  // of a tile so wide
};

FASTNN_DECLARE_KERNEL(template <class T> GemmKernel<T> gemm_kernel())

}  // namespace fastnn
