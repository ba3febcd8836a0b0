// Rows of features (N, C), or images (N, C, H, W), in memory where the channels of a pixel lie together.
#pragma once

#include "fastnn/base/ordered_view.h"

namespace fastnn {

// A dense array at `data` of x's shape, its axis 1, the channels, last in memory.
template <class T>
TensorView<T> channels_last_like(const TensorView<const T>& x, T* data) {
  TensorView<T> view{data, x.rank, {}, {}};
  int64_t step = 1;
  const auto place = [&](int d) {
    view.shape[d] = x.shape[d];
    view.stride[d] = step;
    step *= x.shape[d];
  };
  place(1);
  for (int d = x.rank - 1; d > 1; --d) place(d);
  place(0);
  return view;
}

// An array as a matrix whose columns, the channels, are contiguous: in place if its memory is so, else
// copied. Empty if x has no data.
template <class T>
class PixelRows {
 public:
  explicit PixelRows(const TensorView<const T>& x) {
    if (!x.data) return;
    const int64_t c = x.shape[1];
    matrix_ = {x.data, x.size() / c, c, 0, 1};
    if (find_row_stride(x)) return;
    copy_ = Buffer<T>(x.size());
    copy_dense(x, channels_last_like(x, copy_.get()));
    matrix_.data = copy_.get();
    matrix_.row_stride = c;
  }

  const MatrixView<const T>& matrix() const { return matrix_; }
  const T* row(int64_t i) const { return matrix_.data ? matrix_.data + i * matrix_.row_stride : nullptr; }
  int64_t row_stride() const { return matrix_.row_stride; }

 private:
  // Whether one stride leads from pixel to pixel through the whole batch.
  bool find_row_stride(const TensorView<const T>& x) {
    if (x.shape[1] > 1 && x.stride[1] != 1) return false;
    int64_t rows = 1;
    for (int d = x.rank - 1; d >= 0; --d) {
      if (d == 1 || x.shape[d] == 1) continue;
      if (rows == 1) matrix_.row_stride = x.stride[d];
      if (x.stride[d] != rows * matrix_.row_stride) return false;
      rows *= x.shape[d];
    }
    return true;
  }

  MatrixView<const T> matrix_;
  Buffer<T> copy_;
};

// Images whose channels lie together, pixels anywhere: in place if the memory is so, else copied. Empty if x
// has no data.
template <class T>
class PixelImages {
 public:
  explicit PixelImages(const TensorView<const T>& x) : view_(x) {
    if (!x.data || x.shape[1] == 1 || x.stride[1] == 1 || x.size() == 0) return;
    copy_ = Buffer<T>(x.size());
    const TensorView<T> copy = channels_last_like(x, copy_.get());
    copy_dense(x, copy);
    view_ = copy;
  }

  const TensorView<const T>& view() const { return view_; }
  const T* image(int64_t n) const { return view_.data + n * view_.stride[0]; }
  int64_t row_stride() const { return view_.stride[2]; }
  int64_t pixel_stride() const { return view_.stride[3]; }

 private:
  TensorView<const T> view_;
  Buffer<T> copy_;
};

}  // namespace fastnn
