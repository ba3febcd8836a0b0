#include "fastnn/ops/avgpool2d/avgpool2d_kernel.h"

namespace fastnn::FASTNN_ISA {

// kVecs registers of channels of pixel (h, w) of the result, or one register of n channels if masked.
template <class T, int kVecs, bool kMasked, bool kForward>
static FASTNN_INLINE void sum_rectangle(const AvgPoolBand<T>& b, int64_t h, int64_t w, int64_t c, int n) {
  using V = Vec<T>;
  V sum[kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) sum[v] = V::zero();
  for (int64_t i = b.first_row[h]; i < b.last_row[h]; ++i) {
    for (int64_t j = b.first_col[w]; j < b.last_col[w]; ++j) {
      const T* p = b.in + i * b.in_row + j * b.in_pixel + c;
      const V share = kForward ? V::zero() : V::set(b.share[i * b.in_width + j]);
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const V x = kMasked ? V::load(p, n) : V::load(p + v * V::lanes);
        sum[v] = kForward ? sum[v] + x : fma(x, share, sum[v]);
      }
    }
  }
  T* out = b.out + (h * b.width + w) * b.channels + c;
  const V share = kForward ? V::set(b.share[h * b.width + w]) : V::zero();
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) {
    if (kForward) sum[v] = sum[v] * share;
    kMasked ? sum[v].store(out, n) : sum[v].store(out + v * V::lanes);
  }
}

template <class T, bool kForward>
static void avgpool(const AvgPoolBand<T>& b) {
  using V = Vec<T>;
  constexpr int kWide = 4;
  for (int64_t h = b.row_begin; h < b.row_end; ++h) {
    for (int64_t w = 0; w < b.width; ++w) {
      int64_t c = 0;
      for (; c + kWide * V::lanes <= b.channels; c += kWide * V::lanes)
        sum_rectangle<T, kWide, false, kForward>(b, h, w, c, 0);
      for (; c + V::lanes <= b.channels; c += V::lanes) sum_rectangle<T, 1, false, kForward>(b, h, w, c, 0);
      if (c < b.channels) sum_rectangle<T, 1, true, kForward>(b, h, w, c, static_cast<int>(b.channels - c));
    }
  }
}

template <class T>
AvgPoolKernel<T> avgpool2d_kernel() {
  return {avgpool<T, true>, avgpool<T, false>};
}

template AvgPoolKernel<float> avgpool2d_kernel<float>();
template AvgPoolKernel<double> avgpool2d_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
