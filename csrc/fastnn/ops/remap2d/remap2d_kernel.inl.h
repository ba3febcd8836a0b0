#include "fastnn/ops/remap2d/remap2d_kernel.h"

namespace fastnn::FASTNN_ISA {

// kVecs registers of a run of columns of row h, from element e of the run, or one of n elements if masked.
template <class T, int kVecs, bool kMasked>
static FASTNN_INLINE void sum_sources(const RemapBand<T>& b, int64_t h, int64_t run, int64_t e, int n) {
  using V = Vec<T>;
  V sum[kVecs];
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) sum[v] = V::zero();
  bool first = true;  // 0 + x would lose the sign of zero
  for (int32_t i = b.rows.start[h]; i < b.rows.start[h + 1]; ++i) {
    for (int32_t j = b.cols.start[run]; j < b.cols.start[run + 1]; ++j) {
      const T* p = b.in + b.rows.source[i] * b.in_row + b.cols.source[j] * b.in_pixel + e;
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; ++v) {
        const V x = kMasked ? V::load(p, n) : V::load(p + v * V::lanes);
        sum[v] = first ? x : sum[v] + x;
      }
      first = false;
    }
  }
  T* out = b.out + (h * b.width + b.cols.begin[run]) * b.channels + e;
#pragma GCC unroll 4
  for (int v = 0; v < kVecs; ++v) kMasked ? sum[v].store(out, n) : sum[v].store(out + v * V::lanes);
}

template <class T>
static void remap_sum(const RemapBand<T>& b) {
  using V = Vec<T>;
  constexpr int kWide = 4;
  for (int64_t h = b.row_begin; h < b.row_end; ++h) {
    for (int64_t run = 0; run < b.cols.runs; ++run) {
      const int64_t count = (b.cols.begin[run + 1] - b.cols.begin[run]) * b.channels;
      int64_t e = 0;
      for (; e + kWide * V::lanes <= count; e += kWide * V::lanes)
        sum_sources<T, kWide, false>(b, h, run, e, 0);
      for (; e + V::lanes <= count; e += V::lanes) sum_sources<T, 1, false>(b, h, run, e, 0);
      if (e < count) sum_sources<T, 1, true>(b, h, run, e, static_cast<int>(count - e));
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
