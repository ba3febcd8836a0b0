// 3x3 stride-1 convolution in plain loops: the truth for all three passes, accumulated in double.
#pragma once

#include "fastnn/ops/winograd/winograd.h"

namespace fastnn {

// Calls visit(n, f, i, j, c, a, b, row, col) for every product x[n, c, row, col] * w[f, c, a, b] of y[n, f,
// i, j].
template <class T, class Visit>
void winograd_ref_visit(TensorView<const T> x, int64_t filters, int64_t pad_h, int64_t pad_w, Visit visit) {
  const int64_t out_h = x.shape[2] + 2 * pad_h - 2, out_w = x.shape[3] + 2 * pad_w - 2;
  for (int64_t n = 0; n < x.shape[0]; ++n)
    for (int64_t f = 0; f < filters; ++f)
      for (int64_t i = 0; i < out_h; ++i)
        for (int64_t j = 0; j < out_w; ++j)
          for (int64_t c = 0; c < x.shape[1]; ++c)
            for (int64_t a = 0; a < 3; ++a)
              for (int64_t b = 0; b < 3; ++b) {
                const int64_t row = i + a - pad_h, col = j + b - pad_w;
                if (row < 0 || row >= x.shape[2] || col < 0 || col >= x.shape[3]) continue;
                visit(n, f, i, j, c, a, b, row, col);
              }
}

}  // namespace fastnn
