// prelu in plain loops: the truth. x is (rows, channels), one slope a channel.
#pragma once

#include <cstdint>

namespace fastnn {

template <class T>
void prelu_forward_ref(int64_t rows, int64_t channels, const T* x, const T* slope, T* y) {
  for (int64_t i = 0; i < rows * channels; ++i) y[i] = x[i] > 0 ? x[i] : slope[i % channels] * x[i];
}

template <class T>
void prelu_backward_ref(int64_t rows, int64_t channels, const T* dy, const T* x, const T* slope, T* dx,
                        T* dslope) {
  for (int64_t c = 0; c < channels; ++c) dslope[c] = 0;
  for (int64_t i = 0; i < rows * channels; ++i) {
    dx[i] = x[i] > 0 ? dy[i] : slope[i % channels] * dy[i];
    dslope[i % channels] += x[i] > 0 ? 0 : dy[i] * x[i];
  }
}

}  // namespace fastnn
