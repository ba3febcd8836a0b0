// softmax in plain loops: the truth that the kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastnn/ops/softmax/softmax.h"

namespace fastnn {

template <class T>
void softmax_ref(MatrixView<const T> x, MatrixView<T> y) {
  for (int64_t i = 0; i < x.rows; ++i) {
    const T* row = x.data + i * x.row_stride;
    const double shift = double(*std::max_element(row, row + x.cols));
    double sum = 0;
    for (int64_t j = 0; j < x.cols; ++j) sum += std::exp(double(row[j]) - shift);
    for (int64_t j = 0; j < x.cols; ++j) {
      y.data[i * y.row_stride + j] = T(std::exp(double(row[j]) - shift) / sum);
    }
  }
}

}  // namespace fastnn
