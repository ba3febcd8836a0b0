#include "fastnn/ops/remap2d/remap2d_kernel.h"

namespace fastnn::FASTNN_ISA {

// kVecs registers of channels of pixel (h, w) of the result, or one register of n channels if masked.
template <class T, int kVecs, bool kMasked>
static FASTNN_INLINE void sum_sources(const RemapBand<T>& b, int64_t h, int64_t w, int64_t c, int n) {
  using V = Vec<T>;
  V sum[kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) sum[v] = V::zero();
  bool first = true;  // 0 + x would lose the sign of zero
  for (int32_t i = b.rows.start[h]; i < b.rows.start[h + 1]; ++i) {
    for (int32_t j = b.cols.start[w]; j < b.cols.start[w + 1]; ++j) {
      const T* p = b.in + b.rows.position[i] * b.in_row + b.cols.position[j] * b.in_pixel + c;
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const V x = kMasked ? V::load(p, n) : V::load(p + v * V::lanes);
        sum[v] = first ? x : sum[v] + x;
      }
      first = false;
    }
  }
  T* out = b.out + (h * b.width + w) * b.channels + c;
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) kMasked ? sum[v].store(out, n) : sum[v].store(out + v * V::lanes);
}

template <class T>
static void remap_sum(const RemapBand<T>& b) {
  using V = Vec<T>;
  constexpr int kWide = 4;
  for (int64_t h = b.row_begin; h < b.row_end; ++h) {
    for (int64_t w = 0; w < b.width; ++w) {
      int64_t c = 0;
      for (; c + kWide * V::lanes <= b.channels; c += kWide * V::lanes)
        sum_sources<T, kWide, false>(b, h, w, c, 0);
      for (; c + V::lanes <= b.channels; c += V::lanes) sum_sources<T, 1, false>(b, h, w, c, 0);
      if (c < b.channels) sum_sources<T, 1, true>(b, h, w, c, static_cast<int>(b.channels - c));
    }
  }
}

template <class T>
Remap2dKernel<T> remap2d_kernel() {
  return {remap_sum<T>};
}

template Remap2dKernel<float> remap2d_kernel<float>();
template Remap2dKernel<double> remap2d_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
