// maxpool2d in plain loops on dense N, H, W, C memory: the truth. Images share their windows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fastnn/base/pool_windows.h"

namespace fastnn {

template <class T>
void maxpool2d_forward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* x,
                           const PoolWindows& windows, T* y, int64_t* winner) {
  const Windows &rows = windows.rows, &cols = windows.cols;
  const int64_t oh = rows.size(), ow = cols.size();
  for (int64_t out = 0; out < images * oh * ow * channels; ++out) {
    const int64_t c = out % channels, j = out / channels % ow, i = out / channels / ow % oh;
    const int64_t n = out / channels / ow / oh;
    const size_t row = static_cast<size_t>(i), col = static_cast<size_t>(j);
    winner[out] = -1;
    for (int64_t h = rows.first[row]; h < rows.last[row]; ++h) {
      for (int64_t w = cols.first[col]; w < cols.last[col]; ++w) {
        const T seen = x[((n * height + h) * width + w) * channels + c];
        if (winner[out] >= 0 && !(seen > y[out]) && !(std::isnan(seen) && !std::isnan(y[out]))) continue;
        y[out] = seen;
        winner[out] = (h - rows.first[row]) * cols.longest() + w - cols.first[col];
      }
    }
  }
}

template <class T>
void maxpool2d_backward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* dy,
                            const int64_t* winner, const PoolWindows& windows, T* dx) {
  const Windows &rows = windows.rows, &cols = windows.cols;
  const int64_t oh = rows.size(), ow = cols.size(), cells = cols.longest();
  std::fill_n(dx, images * height * width * channels, T(0));
  for (int64_t out = 0; out < images * oh * ow * channels; ++out) {
    const int64_t c = out % channels, j = out / channels % ow, i = out / channels / ow % oh;
    const int64_t n = out / channels / ow / oh;
    const int64_t h = rows.first[static_cast<size_t>(i)] + winner[out] / cells;
    const int64_t w = cols.first[static_cast<size_t>(j)] + winner[out] % cells;
    dx[((n * height + h) * width + w) * channels + c] += dy[out];
  }
}

}  // namespace fastnn
