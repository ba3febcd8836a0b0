// linear in plain loops: the truth.
#pragma once

#include "fastnn/ops/gemm/gemm_ref.h"

namespace fastnn {

template <class T>
void linear_forward_ref(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> y,
                        const Epilogue<T>& epilogue = {}) {
  gemm_ref<T>(x, w.transposed(), y, {}, epilogue);
}

template <class T>
void linear_backward_ref(MatrixView<const T> dy, MatrixView<const T> x, MatrixView<const T> w,
                         MatrixView<T> dx, MatrixView<T> dw, T* db) {
  gemm_ref<T>(dy, w, dx);
  gemm_ref<T>(dy.transposed(), x, dw);
  for (int64_t j = 0; j < dy.cols; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < dy.rows; ++i)
      sum += static_cast<double>(dy.data[i * dy.row_stride + j * dy.col_stride]);
    db[j] = static_cast<T>(sum);
  }
}

}  // namespace fastnn
