// avgpool2d in plain loops on dense N, H, W, C memory: the truth.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/base/pool_windows.h"

namespace fastnn {

// Calls visit(pooled, pixel, cells) for every pixel of every window, the first two as places in memory.
template <class Visit>
void avgpool2d_for_each_pixel(int64_t images, int64_t channels, int64_t height, int64_t width,
                              const PoolWindows& windows, const PoolWindows& counted, Visit visit) {
  const int64_t oh = windows.rows.size(), ow = windows.cols.size();
  for (int64_t out = 0; out < images * oh * ow * channels; ++out) {
    const int64_t c = out % channels, j = out / channels % ow, i = out / channels / ow % oh;
    const int64_t n = out / channels / ow / oh;
    const int64_t top = windows.rows.first[static_cast<size_t>(i)];
    const int64_t left = windows.cols.first[static_cast<size_t>(j)];
    for (int64_t h = top; h < top + windows.rows.length(i); ++h) {
      for (int64_t w = left; w < left + windows.cols.length(j); ++w)
        visit(out, ((n * height + h) * width + w) * channels + c,
              counted.rows.length(i) * counted.cols.length(j));
    }
  }
}

template <class T>
void avgpool2d_forward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* x,
                           const PoolWindows& windows, const PoolWindows& counted, T* y) {
  std::fill_n(y, images * windows.rows.size() * windows.cols.size() * channels, T(0));
  avgpool2d_for_each_pixel(images, channels, height, width, windows, counted,
                           [&](int64_t pooled, int64_t pixel, int64_t cells) {
                             y[pooled] += static_cast<T>(x[pixel] / static_cast<double>(cells));
                           });
}

template <class T>
void avgpool2d_backward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* dy,
                            const PoolWindows& windows, const PoolWindows& counted, T* dx) {
  std::fill_n(dx, images * height * width * channels, T(0));
  avgpool2d_for_each_pixel(images, channels, height, width, windows, counted,
                           [&](int64_t pooled, int64_t pixel, int64_t cells) {
                             dx[pixel] += static_cast<T>(dy[pooled] / static_cast<double>(cells));
                           });
}

}  // namespace fastnn
