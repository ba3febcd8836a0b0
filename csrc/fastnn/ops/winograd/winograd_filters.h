// Filters on their way to the products: what the forms of winograd share. Private to winograd*.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/base/allocator.h"
#include "fastnn/base/ordered_view.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/base/transpose.h"
#include "fastnn/ops/winograd/winograd_kernel.h"
#include "fastnn/ops/winograd/winograd_tiles.h"

namespace fastnn {

// Transformed filters, in panels for the micro-kernel: [plane][panel of F][C][width].
template <class T>
struct Filters {
  Buffer<T> data;
  int64_t plane, panel;
};

// Filters in C order.
template <class T>
struct DenseFilters {
  Buffer<T> copy;
  TensorView<const T> view;

  explicit DenseFilters(const TensorView<const T>& w) : view(w) {
    TensorView<T> dense{nullptr, 4, {w.shape[0], w.shape[1], 3, 3}, {w.shape[1] * 9, 9, 3, 1}};
    if (std::equal(w.stride, w.stride + 4, dense.stride)) return;
    copy = Buffer<T>(w.size());
    dense.data = copy.get();
    copy_dense(w, dense);
    view = dense;
  }
};

// Transforms filters f0 to f0 + count, channels c0 to c0 + channels of them, to out[p * plane + channel *
// width + filter]. `w` is in C order or `turned` from it.
template <class T>
void transform_square(const WinogradKernel<T>& winograd, const TensorView<const T>& w, int64_t f0,
                      int64_t count, int64_t c0, int64_t channels, int64_t width, T* out, int64_t plane) {
  const bool turned = w.stride[3] < 0;
  const T* from = w.data + f0 * w.stride[0] + c0 * w.stride[1] - (turned ? 8 : 0);
  Buffer<T> taps(channels * 9 * width);  // [channel][tap in memory's order][filter]
  if (count < width) std::fill_n(taps.get(), channels * 9 * width, T(0));
  // Where channels follow one another they are rows of one matrix.
  const int64_t together = w.stride[1] == 9 ? channels : 1;
  for (int64_t channel = 0; channel < channels; channel += together) {
    transpose(from + channel * w.stride[1], w.stride[0], together * 9, count,
              taps.get() + channel * 9 * width, width);
  }
  for (int64_t channel = 0; channel < channels; ++channel) {
    const T* first = taps.get() + channel * 9 * width;
    winograd.filter(
        {turned ? first + 8 * width : first, turned ? -width : width, width, out + channel * width, plane});
  }
}

template <class T>
Filters<T> transform_filters(const WinogradKernel<T>& winograd, const TensorView<const T>& w, int64_t width) {
  const int64_t f = w.shape[0], c = w.shape[1], panels = ceil_div(f, width);
  const int64_t plane = panels * c * width, planes = winograd.shape.filters * winograd.shape.filters;
  Filters<T> filters{Buffer<T>(planes * plane), plane, c * width};
  const double bytes = static_cast<double>(planes * plane) * sizeof(T);
  const int64_t runs = ceil_div(c, kFilterChannels);
  parallel_for(panels * runs, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t j = chunk / runs, c0 = chunk % runs * kFilterChannels;
    transform_square(winograd, w, j * width, std::min(width, f - j * width), c0,
                     std::min(kFilterChannels, c - c0), width,
                     filters.data.get() + j * filters.panel + c0 * width, filters.plane);
  });
  return filters;
}

}  // namespace fastnn
