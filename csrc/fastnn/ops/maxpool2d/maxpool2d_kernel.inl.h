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

// The positions of a window's cells that lie in the image, along one axis.
struct MaxPoolCells {
  int64_t begin, end, origin;

  FASTNN_INLINE MaxPoolCells(int64_t index, int64_t kernel, int64_t stride, int64_t padding, int64_t size)
      : origin(index * stride - padding) {
    begin = origin < 0 ? -origin : 0;
    end = size - origin < kernel ? size - origin : kernel;
  }
};

// kVecs registers of channels of one window, or one register of n channels if masked.
template <class T, int kVecs, bool kMasked, class Index>
static FASTNN_INLINE void take_maximum(const MaxPoolBand<T>& b, const MaxPoolCells& rows,
                                       const MaxPoolCells& cols, const T* origin, int n, T* y,
                                       Index* winner) {
  using V = Vec<T>;
  V best[kVecs], cell_of[kVecs];
  bool first = true;
  for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
    for (int64_t kw = cols.begin; kw < cols.end; ++kw) {
      const T* p = origin + kh * b.in_row + kw * b.in_pixel;
      const V cell = V::set(static_cast<T>(kh * b.kernel[1] + kw));
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const V seen = kMasked ? V::load(p, n) : V::load(p + v * V::lanes);
        if (first) {
          best[v] = seen;
          cell_of[v] = cell;
        } else {
          const typename V::Mask wins = beats(seen, best[v]);
          best[v] = select(wins, seen, best[v]);
          cell_of[v] = select(wins, cell, cell_of[v]);
        }
      }
      first = false;
    }
  }
  if (first) return;
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) {
    kMasked ? best[v].store(y, n) : best[v].store(y + v * V::lanes);
    store_winner<T>(cell_of[v], winner + v * V::lanes, kMasked ? n : V::lanes);
  }
}

template <class T, class Index>
static FASTNN_INLINE void maxpool_forward_as(const MaxPoolBand<T>& b, Index* winners) {
  using V = Vec<T>;
  constexpr int kWide = 4;
  for (int64_t i = b.row_begin; i < b.row_end; ++i) {
    const MaxPoolCells rows(i, b.kernel[0], b.stride[0], b.padding[0], b.height);
    for (int64_t j = 0; j < b.out_width; ++j) {
      const MaxPoolCells cols(j, b.kernel[1], b.stride[1], b.padding[1], b.width);
      const T* x = b.in + rows.origin * b.in_row + cols.origin * b.in_pixel;
      T* y = b.out + (i * b.out_width + j) * b.channels;
      Index* winner = winners + (i * b.out_width + j) * b.channels;
      int64_t c = 0;
      for (; c + kWide * V::lanes <= b.channels; c += kWide * V::lanes)
        take_maximum<T, kWide, false>(b, rows, cols, x + c, 0, y + c, winner + c);
      for (; c + V::lanes <= b.channels; c += V::lanes)
        take_maximum<T, 1, false>(b, rows, cols, x + c, 0, y + c, winner + c);
      if (c < b.channels)
        take_maximum<T, 1, true>(b, rows, cols, x + c, static_cast<int>(b.channels - c), y + c, winner + c);
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
    const int64_t kh = h + b.padding[0] - i * b.stride[0];
    for (int64_t j = b.first_col[w]; j < b.last_col[w]; ++j) {
      const int64_t kw = w + b.padding[1] - j * b.stride[1];
      const V cell = V::set(static_cast<T>(kh * b.kernel[1] + kw));
      const V winner = load_winner<T>(winners + (i * b.out_width + j) * b.channels + c, n);
      const T* dy = b.in + i * b.in_row + j * b.in_pixel + c;
      sum = sum + select(winner == cell, n == V::lanes ? V::load(dy) : V::load(dy, n), V::zero());
    }
  }
  return sum;
}

template <class T, class Index>
static FASTNN_INLINE void maxpool_backward_as(const MaxPoolBand<T>& b, const Index* winners) {
  using V = Vec<T>;
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
