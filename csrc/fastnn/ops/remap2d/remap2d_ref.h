// remap2d in plain loops on dense N, H, W, C memory: the truth.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/ops/remap2d/remap2d.h"

namespace fastnn {

// Calls visit(moved, pixel), places in memory, for every output that has a source.
template <class Visit>
void remap2d_for_each_pixel(int64_t images, int64_t channels, int64_t height, int64_t width,
                            const Remap2d& map, Visit visit) {
  const int64_t oh = static_cast<int64_t>(map.rows.size()), ow = static_cast<int64_t>(map.cols.size());
  for (int64_t out = 0; out < images * oh * ow * channels; ++out) {
    const int64_t c = out % channels, j = out / channels % ow, i = out / channels / ow % oh;
    const int64_t n = out / channels / ow / oh;
    const int64_t h = map.rows[static_cast<size_t>(i)], w = map.cols[static_cast<size_t>(j)];
    if (h >= 0 && w >= 0) visit(out, ((n * height + h) * width + w) * channels + c);
  }
}

template <class T>
void remap2d_forward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* x,
                         const Remap2d& map, T* y) {
  std::fill_n(y, images * static_cast<int64_t>(map.rows.size() * map.cols.size()) * channels, T(0));
  remap2d_for_each_pixel(images, channels, height, width, map,
                         [&](int64_t moved, int64_t pixel) { y[moved] = x[pixel]; });
}

template <class T>
void remap2d_backward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* dy,
                          const Remap2d& map, T* dx) {
  std::fill_n(dx, images * height * width * channels, T(0));
  remap2d_for_each_pixel(images, channels, height, width, map,
                         [&](int64_t moved, int64_t pixel) { dx[pixel] += dy[moved]; });
}

}  // namespace fastnn
