// maxpool2d in plain loops on dense N, H, W, C memory: the truth.
#pragma once

#include <cmath>
#include <cstdint>

#include "fastnn/base/window.h"

namespace fastnn {

template <class T>
void maxpool2d_forward_ref(int64_t images, int64_t channels, int64_t height, int64_t width, const T* x,
                           const Window2d& window, T* y, int64_t* winner) {
  const int64_t oh = window.h.outputs(height), ow = window.w.outputs(width);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t out = 0; out < oh * ow * channels; ++out) {
      const int64_t c = out % channels, j = out / channels % ow, i = out / channels / ow;
      int64_t best = -1;
      T most = 0;
      for (int64_t cell = 0; cell < window.h.kernel * window.w.kernel; ++cell) {
        const int64_t h = i * window.h.stride - window.h.padding + cell / window.w.kernel;
        const int64_t w = j * window.w.stride - window.w.padding + cell % window.w.kernel;
        if (h < 0 || h >= height || w < 0 || w >= width) continue;
        const T seen = x[((n * height + h) * width + w) * channels + c];
        if (best >= 0 && !(seen > most) && !(std::isnan(seen) && !std::isnan(most))) continue;
        best = cell;
        most = seen;
      }
      y[n * oh * ow * channels + out] = most;
      winner[n * oh * ow * channels + out] = best;
    }
  }
}

}  // namespace fastnn
