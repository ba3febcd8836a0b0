// Walking along arrays whose elements are numbered within each example, as random operations number them: in
// the order H, W, C for images (N, C, H, W), whatever their memory looks like, and in C order else.
#pragma once

#include <algorithm>

#include "fastnn/base/pixel_rows.h"

namespace fastnn {

// A dense array of x's shape in the order in which elements are numbered.
template <class T>
TensorView<T> numbered_like(const TensorView<const T>& x) {
  if (x.rank == 4) return channels_last_like<T>(x, nullptr);
  TensorView<T> view{nullptr, x.rank, {}, {}};
  int64_t step = 1;
  for (int d = x.rank; d-- > 0; step *= x.shape[d]) {
    view.shape[d] = x.shape[d];
    view.stride[d] = step;
  }
  return view;
}

// Calls fn(example, first, count, x, y) for stretches of elements of one example, `first` a multiple of
// kBlockElements: x is where they lie and y where their results go, one after another. From any thread; the
// stretches follow from the shape alone.
template <class T, class Fn>
void for_each_numbered_block(const TensorView<const T>& x, const TensorView<T>& y, double ns_per_element,
                             Fn&& fn) {
  if (x.size() == 0) return;
  const TensorView<T> order = numbered_like(x);
  const OrderedView<const T> xs(x, order.stride);
  const OrderedView<T> ys(y, order.stride);
  const int64_t size = x.size() / x.shape[0];
  const int64_t pieces = ceil_div(size, kBlockElements), total = pieces * x.shape[0];
  const int64_t pieces_a_chunk = ceil_div(8 * kBlockElements, std::min(size, kBlockElements));
  const double work_ns = ns_per_element * static_cast<double>(x.size());
  parallel_for(ceil_div(total, pieces_a_chunk), work_ns, [&](int64_t chunk) {
    T in[kBlockElements], out[kBlockElements];
    const int64_t last = std::min(total, (chunk + 1) * pieces_a_chunk);
    for (int64_t piece = chunk * pieces_a_chunk; piece < last; ++piece) {
      const int64_t example = piece / pieces, first = piece % pieces * kBlockElements;
      const int64_t begin = example * size + first, count = std::min(kBlockElements, size - first);
      T* together = ys.find(begin, count);
      T* to = together ? together : out;
      fn(example, first, count, xs.read(begin, count, in), to);
      if (!together) ys.write(begin, count, out);
    }
  });
}

}  // namespace fastnn
