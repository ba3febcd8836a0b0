#include "fastnn/ops/maxout/maxout.h"

#include <algorithm>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/maxout/maxout_kernel.h"

namespace fastnn {
namespace {

// Calls fn(row) for all rows of `columns` elements, in chunks fixed by the shape.
template <class T, class Fn>
void for_each_row(int64_t rows, int64_t columns, double passes, Fn&& fn) {
  constexpr int64_t kChunkElements = 16384;
  const int64_t chunk_rows = std::max<int64_t>(1, kChunkElements / columns);
  const double bytes = passes * sizeof(T) * static_cast<double>(rows) * static_cast<double>(columns);
  parallel_for(ceil_div(rows, chunk_rows), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t end = std::min(rows, (chunk + 1) * chunk_rows);
    for (int64_t row = chunk * chunk_rows; row < end; ++row) fn(row);
  });
}

}  // namespace

template <class T>
void maxout_forward(const TensorView<const T>& x, const TensorView<T>& y) {
  const MaxoutKernel<T> kernel = FASTNN_DISPATCH(maxout_kernel<T>)();
  const PixelRows<T> xs(x);
  const int64_t channels = y.shape[1], pieces = x.shape[1] / channels;
  for_each_row<T>(xs.matrix().rows, x.shape[1], 2, [&](int64_t row) {
    kernel.forward(pieces, channels, xs.row(row), y.data + row * channels);
  });
}

template <class T>
void maxout_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const TensorView<T>& dx) {
  const MaxoutKernel<T> kernel = FASTNN_DISPATCH(maxout_kernel<T>)();
  const PixelRows<T> xs(x), dys(dy);
  const int64_t channels = dy.shape[1], pieces = x.shape[1] / channels;
  for_each_row<T>(xs.matrix().rows, x.shape[1], 3, [&](int64_t row) {
    kernel.backward(pieces, channels, dys.row(row), xs.row(row), dx.data + row * x.shape[1]);
  });
}

#define FASTNN_X(T)                                                               \
  template void maxout_forward(const TensorView<const T>&, const TensorView<T>&); \
  template void maxout_backward(const TensorView<const T>&, const TensorView<const T>&, const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
