#include "fastnn/ops/conv2d/conv2d_im2col.h"

#include <algorithm>

#include "fastnn/ops/im2col/im2col.h"

namespace fastnn {
namespace {

// Any 4-d array as C-order memory.
template <class T>
Buffer<T> c_order(const TensorView<const T>& x, const int (&axes)[4]) {
  Buffer<T> copy(x.size());
  T* out = copy.get();
  int64_t i[4];
  for (i[0] = 0; i[0] < x.shape[axes[0]]; ++i[0]) {
    for (i[1] = 0; i[1] < x.shape[axes[1]]; ++i[1]) {
      for (i[2] = 0; i[2] < x.shape[axes[2]]; ++i[2]) {
        for (i[3] = 0; i[3] < x.shape[axes[3]]; ++i[3]) {
          int64_t offset = 0;
          for (int d = 0; d < 4; ++d) offset += i[d] * x.stride[axes[d]];
          *out++ = x.data[offset];
        }
      }
    }
  }
  return copy;
}

// Sizes of the products.
template <class T>
struct Problem {
  int64_t images, pixels, depth;  // depth: of all groups
  int64_t groups, filters;        // filters: of all groups
  Buffer<T> patches;              // (images * pixels, depth)

  Problem(const TensorView<const T>& x, const TensorView<const T>& w, const Conv2dSettings& s)
      : images(x.shape[0]),
        pixels(s.window.h.outputs(x.shape[2]) * s.window.w.outputs(x.shape[3])),
        depth(x.shape[1] * w.shape[2] * w.shape[3]),
        groups(s.groups),
        filters(w.shape[0]),
        patches(images * pixels * depth) {}

  int64_t rows() const { return images * pixels; }
  TensorView<T> columns() const {
    return {patches.get(), 3, {images, depth, pixels, 0}, {pixels * depth, 1, depth, 0}};
  }
  // Group g of a matrix whose columns, or rows, are cut into groups.
  template <class U>
  MatrixView<U> columns_of(U* data, int64_t rows, int64_t cols, int64_t g) const {
    return {data + g * (cols / groups), rows, cols / groups, cols, 1};
  }
  template <class U>
  MatrixView<U> filters_of(U* w, int64_t g) const {
    const int64_t rows = filters / groups, cols = depth / groups;
    return row_major(w + g * rows * cols, rows, cols);
  }
};

constexpr int kFilterOrder[4] = {0, 1, 2, 3};
constexpr int kImageOrder[4] = {0, 2, 3, 1};  // N,H,W,C

}  // namespace

template <class T>
void conv2d_forward_im2col(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                           const Conv2dSettings& settings, const Epilogue<T>& epilogue) {
  const Problem<T> p(x, w, settings);
  const Buffer<T> filters = c_order(w, kFilterOrder);
  im2col(x, settings.window, p.columns());
  for (int64_t g = 0; g < p.groups; ++g) {
    const int64_t first = g * (p.filters / p.groups);
    Epilogue<T> part = epilogue;
    if (part.bias) part.bias += first;
    if (part.residual.data) part.residual.data += first;
    if (part.mean) part.mean += first, part.sum_squares += first;
    gemm<T>(p.template columns_of<const T>(p.patches.get(), p.rows(), p.depth, g),
            p.template filters_of<const T>(filters.get(), g).transposed(),
            p.columns_of(y.data, p.rows(), p.filters, g), {}, part);
  }
}

template <class T>
void conv2d_backward_im2col(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w,
                            TensorView<T> dx, TensorView<T> dw, T* db, const Conv2dSettings& settings) {
  const Problem<T> p(x, w, settings);
  const Buffer<T> gradient = c_order(dy, kImageOrder);
  if (dw.data) im2col(x, settings.window, p.columns());
  for (int64_t g = 0; dw.data && g < p.groups; ++g) {
    gemm<T>(p.template columns_of<const T>(gradient.get(), p.rows(), p.filters, g).transposed(),
            p.template columns_of<const T>(p.patches.get(), p.rows(), p.depth, g), p.filters_of(dw.data, g));
  }
  if (db) {
    Buffer<T> ones(p.rows());
    std::fill_n(ones.get(), p.rows(), T(1));
    gemm<T>(row_major<const T>(ones.get(), 1, p.rows()),
            row_major<const T>(gradient.get(), p.rows(), p.filters), row_major(db, 1, p.filters));
  }
  if (!dx.data) return;
  const Buffer<T> filters = c_order(w, kFilterOrder);
  for (int64_t g = 0; g < p.groups; ++g) {
    gemm<T>(p.template columns_of<const T>(gradient.get(), p.rows(), p.filters, g),
            p.template filters_of<const T>(filters.get(), g),
            p.columns_of(p.patches.get(), p.rows(), p.depth, g));
  }
  col2im<T>(p.columns(), settings.window, dx);
}

#define FASTNN_X(T)                                                                                   \
  template void conv2d_forward_im2col(TensorView<const T>, TensorView<const T>, TensorView<T>,        \
                                      const Conv2dSettings&, const Epilogue<T>&);                     \
  template void conv2d_backward_im2col(TensorView<const T>, TensorView<const T>, TensorView<const T>, \
                                       TensorView<T>, TensorView<T>, T*, const Conv2dSettings&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
