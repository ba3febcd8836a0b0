// maxout in plain loops: the truth. x is (rows, pieces, channels).
#pragma once

#include <cstdint>

namespace fastnn {

template <class T>
int64_t maxout_winner_ref(int64_t pieces, int64_t channels, const T* x) {
  int64_t winner = 0;
  for (int64_t j = 1; j < pieces; ++j) {
    if (x[j * channels] > x[winner * channels]) winner = j;
  }
  return winner;
}

template <class T>
void maxout_forward_ref(int64_t rows, int64_t pieces, int64_t channels, const T* x, T* y) {
  for (int64_t i = 0; i < rows; ++i, x += pieces * channels) {
    for (int64_t c = 0; c < channels; ++c)
      y[i * channels + c] = x[maxout_winner_ref(pieces, channels, x + c) * channels + c];
  }
}

template <class T>
void maxout_backward_ref(int64_t rows, int64_t pieces, int64_t channels, const T* dy, const T* x, T* dx) {
  for (int64_t i = 0; i < rows; ++i, x += pieces * channels, dx += pieces * channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t winner = maxout_winner_ref(pieces, channels, x + c);
      for (int64_t j = 0; j < pieces; ++j) dx[j * channels + c] = j == winner ? dy[i * channels + c] : T(0);
    }
  }
}

}  // namespace fastnn
