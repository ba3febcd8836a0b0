#include "fastnn/ops/maxpool2d/maxpool2d_kernel.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static FASTNN_INLINE Vec<T> load_winner(const uint8_t* p, int n) {
  return Vec<T>::load_bytes(p, n);
}
template <class T>
static FASTNN_INLINE Vec<T> load_winner(const T* p, int n) {
  return Vec<T>::load(p, n);
}
template <class T>
static FASTNN_INLINE void store_winner(Vec<T> winner, uint8_t* p, int n) {
  winner.store_bytes(p, n);
}
template <class T>
static FASTNN_INLINE void store_winner(Vec<T> winner, T* p, int n) {
  winner.store(p, n);
}

// kVecs registers of channels of a window, or one register of n channels if masked. kSide is its size if that
// is known: then the loops are unrolled, which makes small windows twice as fast.
template <class T, int kVecs, bool kMasked, int kSide, class Index>
static FASTNN_INLINE void take_maximum(const MaxPoolBand<T>& b, const T* corner, int64_t rows, int64_t cols,
                                       int n, T* y, Index* winner) {
  using V = Vec<T>;
  if (kSide) rows = cols = kSide;
  V best[kVecs], place_of[kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) {
    best[v] = kMasked ? V::load(corner, n) : V::load(corner + v * V::lanes);
    place_of[v] = V::zero();
  }
#pragma GCC unroll 2
  for (int64_t kh = 0; kh < rows; ++kh) {
#pragma GCC unroll 2
    for (int64_t kw = 0; kw < cols; ++kw) {
      if (kh + kw == 0) continue;
      const T* p = corner + kh * b.in_row + kw * b.in_pixel;
      const V place = V::set(static_cast<T>(kh * b.cells + kw));
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const V seen = kMasked ? V::load(p, n) : V::load(p + v * V::lanes);
        const typename V::Mask wins = beats(seen, best[v]);
        best[v] = select(wins, seen, best[v]);
        place_of[v] = select(wins, place, place_of[v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) {
    kMasked ? best[v].store(y, n) : best[v].store(y + v * V::lanes);
    store_winner<T>(place_of[v], winner + v * V::lanes, kMasked ? n : V::lanes);
  }
}

// All channels of a window.
template <class T, int kSide, class Index>
static FASTNN_INLINE void take_maxima(const MaxPoolBand<T>& b, const T* corner, int64_t rows, int64_t cols,
                                      T* y, Index* winner) {
  using V = Vec<T>;
  constexpr int kWide = 4;
  int64_t c = 0;
  for (; c + kWide * V::lanes <= b.channels; c += kWide * V::lanes)
    take_maximum<T, kWide, false, kSide>(b, corner + c, rows, cols, 0, y + c, winner + c);
  for (; c + V::lanes <= b.channels; c += V::lanes)
    take_maximum<T, 1, false, kSide>(b, corner + c, rows, cols, 0, y + c, winner + c);
  const int n = static_cast<int>(b.channels - c);
  if (n) take_maximum<T, 1, true, kSide>(b, corner + c, rows, cols, n, y + c, winner + c);
}

template <class T, class Index>
static FASTNN_INLINE void maxpool_forward_as(const MaxPoolBand<T>& b, Index* winners) {
  for (int64_t i = b.row_begin; i < b.row_end; ++i) {
    const int64_t row = b.first_row[i], rows = b.last_row[i] - row;
    T* y = b.out + i * b.width * b.channels;
    Index* winner = winners + i * b.width * b.channels;
    for (int64_t j = 0; j < b.width; ++j, y += b.channels, winner += b.channels) {
      const int64_t col = b.first_col[j], cols = b.last_col[j] - col;
      const T* corner = b.in + row * b.in_row + col * b.in_pixel;
      if (rows == 2 && cols == 2) {
        take_maxima<T, 2>(b, corner, 2, 2, y, winner);
      } else {
        take_maxima<T, 0>(b, corner, rows, cols, y, winner);
      }
    }
  }
}

// One register of channels of one pixel of dx; n of them count.
template <class T, class Index>
static FASTNN_INLINE Vec<T> gather_gradient(const MaxPoolBand<T>& b, const Index* winners, int64_t h,
                                            int64_t w, int64_t c, int n) {
  using V = Vec<T>;
  V sum = V::zero();
  for (int64_t i = b.first_row[h]; i < b.last_row[h]; ++i) {
    const int64_t row = (h - b.window_row[i]) * b.cells;
    for (int64_t j = b.first_col[w]; j < b.last_col[w]; ++j) {
      const V place = V::set(static_cast<T>(row + w - b.window_col[j]));
      const V winner = load_winner<T>(winners + (i * b.out_width + j) * b.channels + c, n);
      const T* dy = b.in + i * b.in_row + j * b.in_pixel + c;
      sum = sum + select(winner == place, n == V::lanes ? V::load(dy) : V::load(dy, n), V::zero());
    }
  }
  return sum;
}

// Where one register holds all channels and each pixel has at most one window, whose gradients stay in
// registers along its row.
template <class T, class Index>
static FASTNN_INLINE void maxpool_backward_few(const MaxPoolBand<T>& b, const Index* winners) {
  using V = Vec<T>;
  const int n = static_cast<int>(b.channels);
  for (int64_t h = b.row_begin; h < b.row_end; ++h) {
    const int64_t i = b.first_row[h];
    const bool covered = i < b.last_row[h];
    const int64_t row = covered ? (h - b.window_row[i]) * b.cells : 0;
    V dy = V::zero(), winner = V::zero();
    int64_t loaded = -1;
    T* dx = b.out + h * b.width * b.channels;
    for (int64_t w = 0; w < b.width; ++w, dx += b.channels) {
      const int64_t j = b.first_col[w];
      if (!covered || j >= b.last_col[w]) {
        V::zero().store(dx, n);
        continue;
      }
      if (j != loaded) {
        dy = V::load(b.in + i * b.in_row + j * b.in_pixel, n);
        winner = load_winner<T>(winners + (i * b.out_width + j) * b.channels, n);
        loaded = j;
      }
      const V place = V::set(static_cast<T>(row + w - b.window_col[j]));
      select(winner == place, dy, V::zero()).store(dx, n);
    }
  }
}

template <class T, class Index>
static FASTNN_INLINE void maxpool_backward_as(const MaxPoolBand<T>& b, const Index* winners) {
  using V = Vec<T>;
  if (b.apart && b.channels <= V::lanes) return maxpool_backward_few(b, winners);
  for (int64_t h = b.row_begin; h < b.row_end; ++h) {
    for (int64_t w = 0; w < b.width; ++w) {
      T* dx = b.out + (h * b.width + w) * b.channels;
      int64_t c = 0;
      for (; c + V::lanes <= b.channels; c += V::lanes)
        gather_gradient<T>(b, winners, h, w, c, V::lanes).store(dx + c);
      const int n = static_cast<int>(b.channels - c);
      if (n) gather_gradient<T>(b, winners, h, w, c, n).store(dx + c, n);
    }
  }
}

template <class T>
static void maxpool_forward(const MaxPoolBand<T>& b) {
  b.winner_bytes ? maxpool_forward_as(b, b.winner_bytes) : maxpool_forward_as(b, b.winner_wide);
}

template <class T>
static void maxpool_backward(const MaxPoolBand<T>& b) {
  b.winner_bytes ? maxpool_backward_as(b, b.winner_bytes) : maxpool_backward_as(b, b.winner_wide);
}

template <class T>
MaxPoolKernel<T> maxpool2d_kernel() {
  return {maxpool_forward<T>, maxpool_backward<T>};
}

template MaxPoolKernel<float> maxpool2d_kernel<float>();
template MaxPoolKernel<double> maxpool2d_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
