// A borrowed n-dimensional array: pointer, shape and strides in elements. Never owns memory.
#pragma once

#include <cstdint>

namespace fastnn {

constexpr int kMaxRank = 4;

template <class T>
struct TensorView {
  T* data = nullptr;
  int rank = 0;
  int64_t shape[kMaxRank] = {};
  int64_t stride[kMaxRank] = {};

  int64_t size() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= shape[d];
    return n;
  }
  operator TensorView<const T>() const {
    TensorView<const T> view{data, rank, {}, {}};
    for (int d = 0; d < rank; ++d) {
      view.shape[d] = shape[d];
      view.stride[d] = stride[d];
    }
    return view;
  }
};

// A matrix with any strides; a transpose is a swap of the two.
template <class T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0, cols = 0;
  int64_t row_stride = 0, col_stride = 0;

  operator MatrixView<const T>() const { return {data, rows, cols, row_stride, col_stride}; }
  MatrixView transposed() const { return {data, cols, rows, col_stride, row_stride}; }
};

template <class T>
MatrixView<T> row_major(T* data, int64_t rows, int64_t cols) {
  return {data, rows, cols, cols, 1};
}

}  // namespace fastnn
