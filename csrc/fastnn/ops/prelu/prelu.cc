#include "fastnn/ops/prelu/prelu.h"

#include <algorithm>
#include <numeric>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/prelu/prelu_kernel.h"

namespace fastnn {
namespace {

// With one slope, neighbours stand for columns, so that the kernel's registers are full.
constexpr int64_t kColumns = 64;

// Calls fn(begin, rows, columns) for the rows of a block, and for what is left of the last one.
template <class Fn>
void for_each_part(int64_t count, Fn&& fn) {
  const int64_t rows = count / kColumns, rest = count % kColumns;
  if (rows) fn(0, rows, kColumns);
  if (rest) fn(count - rest, 1, rest);
}

// Bands of rows of pixels, fixed by the shape.
struct Bands {
  int64_t rows, columns, count;

  Bands(int64_t rows, int64_t columns) : rows(rows), columns(columns) {
    constexpr int64_t kBandElements = 16384;
    count = ceil_div(rows, std::max<int64_t>(1, kBandElements / columns));
  }
  int64_t begin(int64_t band) const { return part_begin(rows, count, band); }
  int64_t size(int64_t band) const { return begin(band + 1) - begin(band); }
};

template <class T>
double work_ns(int64_t elements, double passes) {
  return passes * sizeof(T) * static_cast<double>(elements) / kBytesPerNs;
}

// dslope[c] = sum over i of parts[i, c], in order.
template <class T>
void join(const T* parts, int64_t count, int64_t columns, T* dslope) {
  for (int64_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(parts[i * columns + c]);
    dslope[c] = static_cast<T>(sum);
  }
}

}  // namespace

template <class T>
void prelu_forward(const TensorView<const T>& x, T slope, const TensorView<T>& y) {
  const PReluKernel<T> kernel = FASTNN_DISPATCH(prelu_kernel<T>)();
  const OrderedView<const T> xs(x, y.stride);
  T slopes[kColumns];
  std::fill_n(slopes, kColumns, slope);
  for_each_block(y.size(), work_ns<T>(y.size(), 2), [&](int64_t begin, int64_t count) {
    T scratch[kBlockElements];
    const T* values = xs.read(begin, count, scratch);
    for_each_part(count, [&](int64_t at, int64_t rows, int64_t columns) {
      kernel.forward({rows, columns, values + at, columns, nullptr, 0, slopes, y.data + begin + at, nullptr});
    });
  });
}

template <class T>
void prelu_backward(const TensorView<const T>& dy, const TensorView<const T>& x, T slope,
                    const TensorView<T>& dx, T* dslope) {
  const PReluKernel<T> kernel = FASTNN_DISPATCH(prelu_kernel<T>)();
  const OrderedView<const T> xs(x, dx.stride), dys(dy, dx.stride);
  T slopes[kColumns];
  std::fill_n(slopes, kColumns, slope);
  Buffer<double> parts(ceil_div(dx.size(), kBlockElements));
  for_each_block(dx.size(), work_ns<T>(dx.size(), 3), [&](int64_t begin, int64_t count) {
    T x_scratch[kBlockElements], dy_scratch[kBlockElements], sums[kColumns];
    const T *values = xs.read(begin, count, x_scratch), *gradients = dys.read(begin, count, dy_scratch);
    double& part = parts.get()[begin / kBlockElements];
    part = 0;
    for_each_part(count, [&](int64_t at, int64_t rows, int64_t columns) {
      kernel.backward(
          {rows, columns, values + at, columns, gradients + at, columns, slopes, dx.data + begin + at, sums});
      part = std::accumulate(sums, sums + columns, part);
    });
  });
  *dslope =
      static_cast<T>(std::accumulate(parts.get(), parts.get() + ceil_div(dx.size(), kBlockElements), 0.0));
}

template <class T>
void prelu_channels_forward(const TensorView<const T>& x, const T* slope, const TensorView<T>& y) {
  const PReluKernel<T> kernel = FASTNN_DISPATCH(prelu_kernel<T>)();
  const PixelRows<T> xs(x);
  const Bands bands(xs.matrix().rows, x.shape[1]);
  parallel_for(bands.count, work_ns<T>(x.size(), 2), [&](int64_t i) {
    const int64_t row = bands.begin(i);
    kernel.forward({bands.size(i), bands.columns, xs.row(row), xs.row_stride(), nullptr, 0, slope,
                    y.data + row * bands.columns, nullptr});
  });
}

template <class T>
void prelu_channels_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const T* slope,
                             const TensorView<T>& dx, T* dslope) {
  const PReluKernel<T> kernel = FASTNN_DISPATCH(prelu_kernel<T>)();
  const PixelRows<T> xs(x), dys(dy);
  const Bands bands(xs.matrix().rows, x.shape[1]);
  Buffer<T> parts(bands.count * bands.columns);
  parallel_for(bands.count, work_ns<T>(x.size(), 3), [&](int64_t i) {
    const int64_t row = bands.begin(i);
    kernel.backward({bands.size(i), bands.columns, xs.row(row), xs.row_stride(), dys.row(row),
                     dys.row_stride(), slope, dx.data + row * bands.columns,
                     parts.get() + i * bands.columns});
  });
  join(parts.get(), bands.count, bands.columns, dslope);
}

#define FASTNN_X(T)                                                                                       \
  template void prelu_forward(const TensorView<const T>&, T, const TensorView<T>&);                       \
  template void prelu_backward(const TensorView<const T>&, const TensorView<const T>&, T,                 \
                               const TensorView<T>&, T*);                                                 \
  template void prelu_channels_forward(const TensorView<const T>&, const T*, const TensorView<T>&);       \
  template void prelu_channels_backward(const TensorView<const T>&, const TensorView<const T>&, const T*, \
                                        const TensorView<T>&, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
