#include "fastnn/ops/batchnorm/batchnorm_kernel.h"

namespace fastnn::FASTNN_ISA {

// Rows that are finished for one strip of channels before the next. Long rows are taken one by one, unless
// they are near: memory is then read in one stream, which hardware foresees, while strips of several long
// rows make many short ones and take two to three times as long out of cache. Sums are taken tile by tile,
// which bounds their error.
template <class T>
static int64_t tile_rows(const BatchNormBand<T>& band) {
  constexpr int64_t kShortBytes = 256, kShortRows = 32;
  return band.near || band.channels * static_cast<int64_t>(sizeof(T)) <= kShortBytes ? kShortRows : 1;
}

// A strip of kVecs registers of channels, from channel `c`; masked, it is one register of `n` channels.
template <class T, int kVecs, bool kMasked>
struct Strip {
  using V = Vec<T>;
  int64_t c;
  int n;

  FASTNN_INLINE V load(const T* row, int v) const {
    const T* p = row + c + v * V::lanes;
    return kMasked ? V::load(p, n) : V::load(p);
  }
  FASTNN_INLINE void store(T* row, int v, V x) const {
    T* p = row + c + v * V::lanes;
    kMasked ? x.store(p, n) : x.store(p);
  }
  // Row i of the band's result.
  template <bool kStream>
  FASTNN_INLINE void put(const BatchNormBand<T>& band, int64_t i, int v, V x) const {
    T* row = band.out + i * band.out_row;
    (kStream && !kMasked) ? x.stream(row + c + v * V::lanes) : store(row, v, x);
  }
};

// Calls pass.run(band, strip) for all strips of all tiles of rows.
template <class T, class Pass>
static FASTNN_INLINE void for_each_strip(const BatchNormBand<T>& band, Pass pass) {
  using V = Vec<T>;
  constexpr int kWide = V::registers == 32 ? 4 : 2;  // the widest pass holds five registers a register of x
  const int64_t rows = tile_rows(band);
  for (int64_t row = 0; row < band.rows; row += rows) {
    const int64_t end = row + rows < band.rows ? row + rows : band.rows;
    int64_t c = 0;
    for (; c + kWide * V::lanes <= band.channels; c += kWide * V::lanes)
      pass.run(band, row, end, Strip<T, kWide, false>{c, 0});
    if (kWide > 2 && c + 2 * V::lanes <= band.channels) {
      pass.run(band, row, end, Strip<T, 2, false>{c, 0});
      c += 2 * V::lanes;
    }
    for (; c + V::lanes <= band.channels; c += V::lanes) pass.run(band, row, end, Strip<T, 1, false>{c, 0});
    if (c < band.channels)
      pass.run(band, row, end, Strip<T, 1, true>{c, static_cast<int>(band.channels - c)});
  }
}

struct StatisticsPass {
  // A tile's sums are shifted by its first row: being one of the values it cannot lie far from them all, so
  // at most a factor of the tile's rows is lost to cancellation. Tiles are joined as by Chan, Golub and
  // LeVeque, 1979.
  template <class T, int kVecs, bool kMasked>
  FASTNN_INLINE void run(const BatchNormBand<T>& band, int64_t row, int64_t end,
                         Strip<T, kVecs, kMasked> strip) const {
    using V = Vec<T>;
    V first[kVecs], sum[kVecs], squares[kVecs];
    const T* x = band.x + row * band.x_row;
    for (int v = 0; v < kVecs; ++v) {
      first[v] = strip.load(x, v);
      sum[v] = squares[v] = V::zero();
    }
    for (int64_t i = row + 1; i < end; ++i) {
      x += band.x_row;
      for (int v = 0; v < kVecs; ++v) {
        const V d = strip.load(x, v) - first[v];
        sum[v] = sum[v] + d;
        squares[v] = fma(d, d, squares[v]);
      }
    }
    const T before = T(row), count = T(end - row), share = count / (before + count);
    T* means = band.sums;
    T* deviations = band.sums + band.channels;
    for (int v = 0; v < kVecs; ++v) {
      const V mean = sum[v] * V::set(T(1) / count);
      const V deviation = fnma(sum[v], mean, squares[v]);
      if (row == 0) {
        strip.store(means, v, mean);
        strip.store(deviations, v, deviation);
        continue;
      }
      const V old_mean = strip.load(means, v), old = strip.load(deviations, v);
      const V delta = (first[v] - strip.load(band.x, v)) + mean - old_mean;
      strip.store(means, v, fma(delta, V::set(share), old_mean));
      strip.store(deviations, v, fma(delta * delta, V::set(before * share), old + deviation));
    }
  }
};

template <bool kRelu, bool kResidual, bool kStream>
struct ForwardPass {
  template <class T, int kVecs, bool kMasked>
  FASTNN_INLINE void run(const BatchNormBand<T>& band, int64_t row, int64_t end,
                         Strip<T, kVecs, kMasked> strip) const {
    using V = Vec<T>;
    V center[kVecs], scale[kVecs], shift[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      center[v] = strip.load(band.center, v);
      scale[v] = strip.load(band.scale, v);
      shift[v] = strip.load(band.shift, v);
    }
    for (int64_t i = row; i < end; ++i) {
      for (int v = 0; v < kVecs; ++v) {
        V y = fma(strip.load(band.x + i * band.x_row, v) - center[v], scale[v], shift[v]);
        if (kResidual) y = y + strip.load(band.residual + i * band.residual_row, v);
        if (kRelu) y = max(V::zero(), y);
        strip.template put<kStream>(band, i, v, y);
      }
    }
  }
};

// dy where y, computed again as in ForwardPass, is positive.
template <bool kRelu, bool kResidual, class T, int kVecs, bool kMasked>
static FASTNN_INLINE Vec<T> masked_dy(const BatchNormBand<T>& band, int64_t i,
                                      const Strip<T, kVecs, kMasked>& strip, int v, Vec<T> x_centered,
                                      Vec<T> scale, Vec<T> shift) {
  using V = Vec<T>;
  const V dy = strip.load(band.dy + i * band.dy_row, v);
  if (!kRelu) return dy;
  V y = fma(x_centered, scale, shift);
  if (kResidual) y = y + strip.load(band.residual + i * band.residual_row, v);
  return select(y > V::zero(), dy, V::zero());
}

template <bool kRelu, bool kResidual, bool kStream>
struct ReducePass {
  template <class T, int kVecs, bool kMasked>
  FASTNN_INLINE void run(const BatchNormBand<T>& band, int64_t row, int64_t end,
                         Strip<T, kVecs, kMasked> strip) const {
    using V = Vec<T>;
    V center[kVecs], scale[kVecs], shift[kVecs], sum[kVecs], product[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      center[v] = strip.load(band.center, v);
      scale[v] = strip.load(band.scale, v);
      shift[v] = strip.load(band.shift, v);
      sum[v] = product[v] = V::zero();
    }
    for (int64_t i = row; i < end; ++i) {
      for (int v = 0; v < kVecs; ++v) {
        const V x = strip.load(band.x + i * band.x_row, v) - center[v];
        const V dy = masked_dy<kRelu, kResidual>(band, i, strip, v, x, scale[v], shift[v]);
        if (band.out) strip.template put<kStream>(band, i, v, dy);
        sum[v] = sum[v] + dy;
        product[v] = fma(dy, x, product[v]);
      }
    }
    T* sums = band.sums;
    T* products = band.sums + band.channels;
    for (int v = 0; v < kVecs; ++v) {
      strip.store(sums, v, row ? strip.load(sums, v) + sum[v] : sum[v]);
      strip.store(products, v, row ? strip.load(products, v) + product[v] : product[v]);
    }
  }
};

template <bool kRelu, bool kResidual, bool kStream>
struct BackwardPass {
  template <class T, int kVecs, bool kMasked>
  FASTNN_INLINE void run(const BatchNormBand<T>& band, int64_t row, int64_t end,
                         Strip<T, kVecs, kMasked> strip) const {
    using V = Vec<T>;
    V center[kVecs], scale[kVecs], shift[kVecs], slope[kVecs], offset[kVecs];
    for (int v = 0; v < kVecs; ++v) {
      center[v] = strip.load(band.center, v);
      scale[v] = strip.load(band.scale, v);
      shift[v] = strip.load(band.shift, v);
      slope[v] = strip.load(band.slope, v);
      offset[v] = strip.load(band.offset, v);
    }
    for (int64_t i = row; i < end; ++i) {
      for (int v = 0; v < kVecs; ++v) {
        const V x = strip.load(band.x + i * band.x_row, v) - center[v];
        const V dy = masked_dy<kRelu, kResidual>(band, i, strip, v, x, scale[v], shift[v]);
        strip.template put<kStream>(band, i, v, fma(dy, scale[v], fnma(x, slope[v], V::zero() - offset[v])));
      }
    }
  }
};

template <class T>
static void statistics(const BatchNormBand<T>& band) {
  for_each_strip(band, StatisticsPass{});
}

template <template <bool, bool, bool> class Pass, bool kStream, class T>
static void run_pass_to(const BatchNormBand<T>& band) {
  if (band.residual) {
    band.relu ? for_each_strip(band, Pass<true, true, kStream>{})
              : for_each_strip(band, Pass<false, true, kStream>{});
  } else {
    band.relu ? for_each_strip(band, Pass<true, false, kStream>{})
              : for_each_strip(band, Pass<false, false, kStream>{});
  }
  if (kStream) end_streams();
}

template <template <bool, bool, bool> class Pass, class T>
static void run_pass(const BatchNormBand<T>& band) {
  band.stream ? run_pass_to<Pass, true>(band) : run_pass_to<Pass, false>(band);
}

template <class T>
BatchNormKernel<T> batchnorm_kernel() {
  return {statistics<T>, run_pass<ForwardPass, T>, run_pass<ReducePass, T>, run_pass<BackwardPass, T>};
}

template BatchNormKernel<float> batchnorm_kernel<float>();
template BatchNormKernel<double> batchnorm_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
