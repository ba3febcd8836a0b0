// gemm in plain loops: the truth that the kernels are compared with.
#pragma once

#include "fastnn/ops/gemm/gemm.h"

namespace fastnn {

template <class T>
void gemm_ref(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c, const Prologue<T>& prologue = {},
              const Epilogue<T>& epilogue = {}) {
  for (int64_t j = 0; j < c.cols; ++j) {
    double mean = 0, sum_squares = 0;
    for (int64_t i = 0; i < c.rows; ++i) {
      double sum = 0;
      for (int64_t p = 0; p < a.cols; ++p) {
        T x = a.data[i * a.row_stride + p * a.col_stride];
        if (prologue.scale) x = x * prologue.scale[p] + prologue.shift[p];
        if (prologue.relu && x < 0) x = 0;
        sum += static_cast<double>(x) * static_cast<double>(b.data[p * b.row_stride + j * b.col_stride]);
      }
      if (epilogue.bias) sum += static_cast<double>(epilogue.bias[j]);
      if (epilogue.residual.data)
        sum += static_cast<double>(epilogue.residual.data[i * epilogue.residual.row_stride + j]);
      if (epilogue.relu && sum < 0) sum = 0;
      c.data[i * c.row_stride + j * c.col_stride] = static_cast<T>(sum);
      const double delta = sum - mean;  // Welford's update
      mean += delta / static_cast<double>(i + 1);
      sum_squares += delta * (sum - mean);
    }
    if (epilogue.mean) {
      epilogue.mean[j] = mean;
      epilogue.sum_squares[j] = sum_squares;
    }
  }
}

}  // namespace fastnn
