// See conv2d_kernel.h for the equations.
#include "fastnn/ops/conv2d/conv2d_kernel.h"

namespace fastnn::FASTNN_ISA {

// Valid lanes of the register that begins `left` elements before the end.
template <class T>
static FASTNN_INLINE int lanes_left(int64_t left) {
  return left < Vec<T>::lanes ? static_cast<int>(left) : Vec<T>::lanes;
}

template <class T, bool kAffine, bool kRelu>
static void gather_as(const ConvGather<T>& g) {
  using V = Vec<T>;
  if (g.channel_stride == 1 && g.repeat == 1) {
    // Without work by channel, pixels that follow each other are one long run.
    const bool one_run =
        !kAffine && g.groups == 1 && g.pixel_stride == g.channels && g.out_pixel == g.channels;
    const int64_t pixels = one_run ? 1 : g.pixels, length = one_run ? g.pixels * g.channels : g.channels;
    for (int64_t p = 0; p < pixels; ++p) {
      if (g.pixels_ahead) {
        constexpr int64_t kLine = 64 / sizeof(T);
        const T* ahead = g.in + (p + g.pixels_ahead) * g.pixel_stride;
        for (int64_t c = 0; c < g.groups * g.channels; c += kLine) __builtin_prefetch(ahead + c);
      }
      for (int64_t k = 0; k < g.groups; ++k) {
        const T* in = g.in + p * g.pixel_stride + k * g.channels;
        T* out = g.out + k * g.out_group + p * g.out_pixel;
        const T *scale = kAffine ? g.scale + k * g.channels : nullptr,
                *shift = kAffine ? g.shift + k * g.channels : nullptr;
        const auto vector = [&](int64_t c, auto... n) __attribute__((always_inline)) {
          V x = V::load(in + c, n...);
          if (kAffine) x = x * V::load(scale + c, n...) + V::load(shift + c, n...);
          if (kRelu) x = max(V::zero(), x);
          x.store(out + c, n...);
        };
        int64_t c = 0;
        for (; c + V::lanes <= length; c += V::lanes) vector(c);
        if (c < length) vector(c, static_cast<int>(length - c));
      }
    }
    return;
  }
  const auto value = [&](int64_t p, int64_t c) __attribute__((always_inline)) {
    T x = g.in[p * g.pixel_stride + c * g.channel_stride];
    if (kAffine) x = x * g.scale[c * g.scale_step] + g.shift[c * g.scale_step];
    if (kRelu && x < T(0)) x = T(0);
    return x;
  };
  for (int64_t k = 0; k < g.groups; ++k) {
    const int64_t first = k * g.channels;
    T* group = g.out + k * g.out_group;
    if (g.channel_stride < g.pixel_stride) {  // in the order of memory
      for (int64_t p = 0; p < g.pixels; ++p) {
        for (int64_t r = 0; r < g.repeat; ++r) {
          T* out = group + p * g.out_pixel + r;
          for (int64_t c = 0; c < g.channels; ++c) out[c * g.repeat] = value(p, first + c);
        }
      }
      continue;
    }
    for (int64_t c = 0; c < g.channels; ++c) {
      for (int64_t p = 0; p < g.pixels; ++p) {
        const T x = value(p, first + c);
        for (int64_t r = 0; r < g.repeat; ++r) group[p * g.out_pixel + c * g.repeat + r] = x;
      }
    }
  }
}

template <class T>
static void gather(const ConvGather<T>& g) {
  if (g.scale) return g.relu ? gather_as<T, true, true>(g) : gather_as<T, true, false>(g);
  g.relu ? gather_as<T, false, true>(g) : gather_as<T, false, false>(g);
}

template <class T>
static void sum_rows(const ConvSumRows<T>& g) {
  using V = Vec<T>;
  const auto vector = [&](int64_t j, auto... n) __attribute__((always_inline)) {
    V sum = V::load(g.in + j, n...);
    for (int64_t i = 1; i < g.rows; ++i) sum = sum + V::load(g.in + i * g.in_row + j, n...);
    sum.store(g.out + j, n...);
  };
  int64_t j = 0;
  for (; j + V::lanes <= g.width; j += V::lanes) vector(j);
  if (j < g.width) vector(j, static_cast<int>(g.width - j));
}

// A tile is up to this many output pixels by one register of channels. With the taps of a run they fit into
// sixteen registers, and a pixel that is loaded once meets every tap of a run.
constexpr int kDepthwisePixels = 8;

// Asks for memory share by share, turn by turn. The hardware does not follow rows of a few pixels by itself.
struct Fetch {
  static constexpr int64_t kLine = 64;
  const char *at, *end;
  int64_t lines;  // a turn

  FASTNN_INLINE Fetch(const Ahead& ahead, int64_t turns)
      : at(ahead.begin),
        end(ahead.begin + ahead.bytes),
        lines((ahead.bytes + turns * kLine - 1) / (turns * kLine)) {}

  FASTNN_INLINE void turn() {
    for (int64_t i = 0; i < lines && at < end; ++i, at += kLine)
      __builtin_prefetch(at, 0, 2);  // into the second cache
  }
  FASTNN_INLINE void skip(int64_t turns) { at += turns * lines * kLine; }
};

template <bool kFull, class T>
static FASTNN_INLINE Vec<T> load_lanes(const T* p, int n) {
  return kFull ? Vec<T>::load(p) : Vec<T>::load(p, n);
}

template <bool kFull, class T>
static FASTNN_INLINE void store_lanes(Vec<T> v, T* p, int n) {
  kFull ? v.store(p) : v.store(p, n);
}

// A run of kTaps taps above kPixels output pixels: calls visit(x, k, i) where pixel x meets tap k of output
// i.
template <class T, int kPixels, int kTaps, bool kFull, class Visit>
static FASTNN_INLINE void slide(const DepthwiseSum<T>& sum, const DepthwiseRun<T>& run, int64_t first,
                                int64_t c, int n, const Visit& visit) {
  const T* x = run.x + first * sum.x_pixel + c;
  const uint64_t column = static_cast<uint64_t>(run.first + first), width = static_cast<uint64_t>(run.width);
#pragma GCC unroll 16
  for (int q = 0; q < kPixels + kTaps - 1; ++q, x += sum.x_pixel) {
    asm("" : "+r"(x));  // or the compiler keeps an offset for every pixel, on the stack
    if (column + static_cast<uint64_t>(q) >= width) continue;  // one below 0 is larger than any width
    const Vec<T> pixel = load_lanes<kFull>(x, n);
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) {
      if (q >= k && q - k < kPixels) visit(pixel, k, q - k);
    }
  }
}

template <class T, int kPixels, bool kFull>
struct DepthwiseSums {
  using V = Vec<T>;
  V acc[kPixels];

  template <int kTaps>
  FASTNN_INLINE void add(const DepthwiseRow<T>& g, const DepthwiseRun<T>& run, int64_t first, int64_t c,
                         int n) {
    V w[kTaps];
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) w[k] = load_lanes<kFull>(g.w + run.weight + k * run.weight_step + c, n);
    slide<T, kPixels, kTaps, kFull>(
        g.sum, run, first, c,
        n, [&](V x, int k, int i) __attribute__((always_inline)) { acc[i] = fma(x, w[k], acc[i]); });
  }

  FASTNN_INLINE void begin(const DepthwiseRow<T>& g, int64_t c, int n) {
    const V bias = g.bias ? load_lanes<kFull>(g.bias + c, n) : V::zero();
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) acc[i] = bias;
  }

  // `seen`: pixels in the statistics so far.
  FASTNN_INLINE void finish(const DepthwiseRow<T>& g, int64_t first, int64_t c, int n, int64_t seen) {
    if (g.residual) {
#pragma GCC unroll 16
      for (int i = 0; i < kPixels; ++i)
        acc[i] = acc[i] + load_lanes<kFull>(g.residual + (first + i) * g.residual_pixel + c, n);
    }
    if (g.relu) {
#pragma GCC unroll 16
      for (int i = 0; i < kPixels; ++i) acc[i] = max(V::zero(), acc[i]);
    }
    if (g.norm.x) reduce(g.norm, first, c, n);
    const int64_t y_pixel = g.y_pixel;
    T* y = g.y + first * y_pixel + c;
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i, y += y_pixel) {
      asm("" : "+r"(y));
      store_lanes<kFull>(acc[i], y, n);
    }
    if (g.mean) join_statistics(g, seen, c, n);
  }

  // As batch norm's own pass over dy and x does.
  FASTNN_INLINE void reduce(const BatchNormBand<T>& norm, int64_t first, int64_t c, int n) {
    const V center = load_lanes<kFull>(norm.center + c, n), scale = load_lanes<kFull>(norm.scale + c, n),
            shift = load_lanes<kFull>(norm.shift + c, n);
    V sum = V::zero(), product = V::zero();
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) {
      const V x = load_lanes<kFull>(norm.x + (first + i) * norm.x_row + c, n) - center;
      if (norm.relu) {
        V y = fma(x, scale, shift);
        if (norm.residual) y = y + load_lanes<kFull>(norm.residual + (first + i) * norm.residual_row + c, n);
        acc[i] = select(y > V::zero(), acc[i], V::zero());
      }
      sum = sum + acc[i];
      product = fma(acc[i], x, product);
    }
    T *sums = norm.sums + c, *products = sums + norm.channels;
    store_lanes<kFull>(load_lanes<kFull>(sums, n) + sum, sums, n);
    store_lanes<kFull>(load_lanes<kFull>(products, n) + product, products, n);
  }

  // As gemm's tiles do: mean and squared deviations of these pixels, joined with those before (Chan, Golub
  // and LeVeque, 1979).
  FASTNN_INLINE void join_statistics(const DepthwiseRow<T>& g, int64_t seen, int64_t c, int n) const {
    V total = V::zero(), squares = V::zero();
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) total = total + acc[i];
    const V mean = total * V::set(T(1) / T(kPixels));
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) {
      const V d = acc[i] - mean;
      squares = fma(d, d, squares);
    }
    const T before = T(seen), share = T(kPixels) / (before + T(kPixels));
    const V old_mean = before > 0 ? load_lanes<kFull>(g.mean + c, n) : V::zero();
    const V old_squares = before > 0 ? load_lanes<kFull>(g.sum_squares + c, n) : V::zero();
    const V delta = mean - old_mean;
    store_lanes<kFull>(fma(delta, V::set(share), old_mean), g.mean + c, n);
    store_lanes<kFull>(fma(delta * delta, V::set(before * share), old_squares + squares), g.sum_squares + c,
                       n);
  }

  static FASTNN_INLINE void run(const DepthwiseRow<T>& g, int64_t first, int64_t c, int n) {
    DepthwiseSums tile;
    tile.begin(g, c, n);
    for (int64_t r = 0; r < g.sum.count; ++r) {
      const DepthwiseRun<T>& run = g.sum.runs[r];
      if (run.taps == 3) {
        tile.template add<3>(g, run, first, c, n);
      } else if (run.taps == 2) {
        tile.template add<2>(g, run, first, c, n);
      } else {
        tile.template add<1>(g, run, first, c, n);
      }
    }
    tile.finish(g, first, c, n, g.seen + first);
  }
};

// Nine weights stay in registers; a pixel is loaded once for both rows, and each row asks for memory.
template <class T, int kPixels>
static FASTNN_INLINE void depthwise_pair_tile(const DepthwisePair<T>& g, int64_t first, int64_t c, Fetch& in,
                                              Fetch& out, Fetch& norm) {
  using V = Vec<T>;
  constexpr int kTaps = kDepthwiseTaps;
  V w[kTaps][kTaps];
#pragma GCC unroll 4
  for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k)
      w[t][k] = V::load(g.rows[0].w + g.weight + t * g.weight_row + k * g.weight_step + c);
  }
  DepthwiseSums<T, kPixels, true> tile[2];
#pragma GCC unroll 4
  for (int r = 0; r < 2; ++r) tile[r].begin(g.rows[r], c, V::lanes);
  const uint64_t row = static_cast<uint64_t>(g.row), height = static_cast<uint64_t>(g.height),
                 column = static_cast<uint64_t>(g.column + first), width = static_cast<uint64_t>(g.width);
  const int64_t x_pixel = g.rows[0].sum.x_pixel;
#pragma GCC unroll 4
  for (int p = 0; p < kTaps + 1; ++p) {
    in.turn();
    out.turn();
    norm.turn();
    if (row + static_cast<uint64_t>(p) >= height) continue;  // one below 0 is larger than any height
    const T* x = g.x + p * g.x_row + first * x_pixel + c;
#pragma GCC unroll 16
    for (int q = 0; q < kPixels + kTaps - 1; ++q, x += x_pixel) {
      asm("" : "+r"(x));  // as in slide
      if (column + static_cast<uint64_t>(q) >= width) continue;
      const V pixel = V::load(x);
#pragma GCC unroll 4
      for (int r = 0; r < 2; ++r) {
#pragma GCC unroll 4
        for (int k = 0; k < kTaps; ++k) {
          if (p < r || p - r >= kTaps || q < k || q - k >= kPixels) continue;
          V& sum = tile[r].acc[q - k];
          sum = fma(pixel, w[p - r][k], sum);
        }
      }
    }
  }
  const int64_t seen = g.rows[0].seen + 2 * first;
#pragma GCC unroll 4
  for (int r = 0; r < 2; ++r) tile[r].finish(g.rows[r], first, c, V::lanes, seen + r * kPixels);
}

// Gradients stay in registers while pixels pass by only for a tile: adding a tile's up in memory costs less
// than to run through all pixels for a few taps at a time.
template <class T, int kPixels, bool kFull>
struct DepthwiseProducts {
  using V = Vec<T>;
  V dy[kPixels];

  template <int kTaps>
  FASTNN_INLINE void add(const DepthwiseWeights<T>& g, const DepthwiseRun<T>& run, int64_t first, int64_t c,
                         int n) const {
    T* dw = g.dw + run.weight + c;
    const int64_t step = run.weight_step;
    V acc[2][kTaps];  // of even and odd pixels: few taps alone would wait for each sum
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) {
      acc[0][k] = load_lanes<kFull>(dw + k * step, n);
      acc[1][k] = V::zero();
    }
    slide<T, kPixels, kTaps, kFull>(
        g.sum, run, first, c, n, [&](V x, int k, int i) __attribute__((always_inline)) {
          acc[i % 2][k] = fma(x, dy[i], acc[i % 2][k]);
        });
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) store_lanes<kFull>(acc[0][k] + acc[1][k], dw + k * step, n);
  }

  static FASTNN_INLINE void run(const DepthwiseWeights<T>& g, int64_t first, int64_t c, int n) {
    DepthwiseProducts tile;
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) tile.dy[i] = load_lanes<kFull>(g.dy + (first + i) * g.dy_pixel + c, n);
    for (int64_t r = 0; r < g.sum.count; ++r) {
      const DepthwiseRun<T>& run = g.sum.runs[r];
      if (run.taps == 3) {
        tile.template add<3>(g, run, first, c, n);
      } else if (run.taps == 2) {
        tile.template add<2>(g, run, first, c, n);
      } else {
        tile.template add<1>(g, run, first, c, n);
      }
    }
  }
};

// A tile of each register of channels; kPixels is the width of the tile or more.
template <class T, template <class, int, bool> class Tile, int kPixels, class Work>
static void depthwise_tiles(const Work& g, int64_t first, int64_t pixels, Fetch in, Fetch out, Fetch norm) {
  if constexpr (kPixels > 1) {
    if (pixels < kPixels) return depthwise_tiles<T, Tile, kPixels - 1>(g, first, pixels, in, out, norm);
  }
  for (int64_t c = 0; c < g.sum.channels; c += Vec<T>::lanes) {
    in.turn();
    out.turn();
    norm.turn();
    const int n = lanes_left<T>(g.sum.channels - c);
    n == Vec<T>::lanes ? Tile<T, kPixels, true>::run(g, first, c, n)
                       : Tile<T, kPixels, false>::run(g, first, c, n);
  }
}

// Channels innermost: pixels lie in the order in which they are read.
template <class T, template <class, int, bool> class Tile, class Work>
static void depthwise_row(const Work& g) {
  const int64_t pixels = g.sum.pixels, tiles = (pixels + kDepthwisePixels - 1) / kDepthwisePixels;
  const int64_t turns = (g.sum.channels + Vec<T>::lanes - 1) / Vec<T>::lanes;
  const int64_t width = pixels / tiles, wider = pixels % tiles;  // tiles as equal as they can be
  Fetch in(g.sum.ahead, tiles * turns), out(g.sum.ahead_out, tiles * turns),
      norm(g.sum.ahead_norm, tiles * turns);
  for (int64_t t = 0, first = 0; t < tiles; ++t) {
    const int64_t tile = width + (t < wider);
    depthwise_tiles<T, Tile, kDepthwisePixels>(g, first, tile, in, out, norm);
    first += tile;
    in.skip(turns);
    out.skip(turns);
    norm.skip(turns);
  }
}

template <class T, int kPixels>
static void depthwise_pair_tiles(const DepthwisePair<T>& g, int64_t first, int64_t pixels, Fetch in,
                                 Fetch out, Fetch norm) {
  if constexpr (kPixels > kDepthwisePairPixels) {
    if (pixels < kPixels) return depthwise_pair_tiles<T, kPixels - 1>(g, first, pixels, in, out, norm);
  }
  for (int64_t c = 0; c < g.rows[0].sum.channels; c += Vec<T>::lanes)
    depthwise_pair_tile<T, kPixels>(g, first, c, in, out, norm);
}

template <class T>
static void depthwise_pair(const DepthwisePair<T>& g) {
  const DepthwiseSum<T>& sum = g.rows[0].sum;
  const int64_t tiles = (sum.pixels + kDepthwisePixels - 1) / kDepthwisePixels;
  const int64_t turns = (kDepthwiseTaps + 1) * sum.channels / Vec<T>::lanes;
  const int64_t width = sum.pixels / tiles, wider = sum.pixels % tiles;
  Fetch in(sum.ahead, tiles * turns), out(sum.ahead_out, tiles * turns), norm(sum.ahead_norm, tiles * turns);
  for (int64_t t = 0, first = 0; t < tiles; ++t) {
    const int64_t tile = width + (t < wider);
    depthwise_pair_tiles<T, kDepthwisePixels>(g, first, tile, in, out, norm);
    first += tile;
    in.skip(turns);
    out.skip(turns);
    norm.skip(turns);
  }
}

// The gradients of a block of taps stay in registers while all pixels pass by. Each product loads its pixel,
// as many loads as multiply-adds: cores do both at the same rate.
template <class T, int kRows, int kTaps, bool kFull>
static FASTNN_INLINE void depthwise_products(const DepthwiseBlock<T>& g, int64_t c, int n, Fetch& in,
                                             Fetch& out) {
  using V = Vec<T>;
  constexpr int kSums = kRows * kTaps < 4 ? 2 : 1;  // of even and odd pixels: few alone would be waited for
  V acc[kSums][kRows][kTaps];
  for (auto& sums : acc)
    for (auto& row : sums)
      for (V& sum : row) sum = V::zero();
  const uint64_t width = static_cast<uint64_t>(g.width);
  const int64_t dy_pixel = g.dy_pixel, stride = g.stride, step = g.step, next = stride * g.x_pixel,
                x_tap = step * g.x_pixel;
  for (int64_t image = 0; image < g.images; ++image) {
    for (int64_t row = 0; row < g.rows; ++row) {
      const T* dy = g.dy + image * g.dy_image + row * g.dy_row + c;
      const T* x[kRows];
      for (int t = 0; t < kRows; ++t) x[t] = g.x + image * g.x_image + row * g.x_row + t * g.x_tap_row + c;
      int64_t column = g.first;
      const auto pixel = [&](V(&sums)[kRows][kTaps]) __attribute__((always_inline)) {
        in.turn();  // often and little by little: a core waits for some 20 lines at a time
        out.turn();
        const V d = load_lanes<kFull>(dy, n);
#pragma GCC unroll 4
        for (int k = 0; k < kTaps; ++k) {
          if (static_cast<uint64_t>(column + k * step) >= width) continue;  // one below 0 is larger than any
#pragma GCC unroll 4
          for (int t = 0; t < kRows; ++t)
            sums[t][k] = fma(load_lanes<kFull>(x[t] + k * x_tap, n), d, sums[t][k]);
        }
        dy += dy_pixel;
        column += stride;
#pragma GCC unroll 4
        for (int t = 0; t < kRows; ++t) x[t] += next;
      };
      int64_t i = 0;
      for (; i + kSums <= g.pixels; i += kSums)
        for (auto& sums : acc) pixel(sums);
      if (i < g.pixels) pixel(acc[0]);
    }
  }
  for (int t = 0; t < kRows; ++t) {
    for (int k = 0; k < kTaps; ++k) {
      T* dw = g.dw + t * g.dw_row + k * g.dw_tap + c;
      V sum = acc[0][t][k];
      if (kSums > 1) sum = sum + acc[kSums - 1][t][k];
      store_lanes<kFull>(load_lanes<kFull>(dw, n) + sum, dw, n);
    }
  }
}

template <class T, int kRows, int kTaps>
static void depthwise_columns(const DepthwiseBlock<T>& g) {
  const int64_t turns = g.images * g.rows * g.pixels * ((g.channels + Vec<T>::lanes - 1) / Vec<T>::lanes);
  Fetch in(g.ahead, turns), out(g.ahead_out, turns);
  for (int64_t c = 0; c < g.channels; c += Vec<T>::lanes) {
    const int n = lanes_left<T>(g.channels - c);
    n == Vec<T>::lanes ? depthwise_products<T, kRows, kTaps, true>(g, c, n, in, out)
                       : depthwise_products<T, kRows, kTaps, false>(g, c, n, in, out);
  }
}

template <class T, int kRows>
static void depthwise_rows(const DepthwiseBlock<T>& g) {
  if (g.taps == 3) {
    depthwise_columns<T, kRows, 3>(g);
  } else if (g.taps == 2) {
    depthwise_columns<T, kRows, 2>(g);
  } else {
    depthwise_columns<T, kRows, 1>(g);
  }
}

template <class T>
static void depthwise_block(const DepthwiseBlock<T>& g) {
  if (g.tap_rows == 3) {
    depthwise_rows<T, 3>(g);
  } else if (g.tap_rows == 2) {
    depthwise_rows<T, 2>(g);
  } else {
    depthwise_rows<T, 1>(g);
  }
}

// What a tile of gradients and the pixels around it, each loaded once, add to the sums of nine taps.
template <class T, int kRows, int kPixels>
static void add_products(const DepthwiseBlock<T>& g, const T* x, int64_t first_row, int64_t first,
                         const T* dy, Vec<T> (&sums)[kDepthwiseTaps][kDepthwiseTaps], Fetch& in, Fetch& out) {
  using V = Vec<T>;
  constexpr int kTaps = kDepthwiseTaps;
  V acc[kTaps][kTaps], d[kRows][kPixels];
#pragma GCC unroll 4
  for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) acc[t][k] = sums[t][k];
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const T* at = dy + r * g.dy_row;
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i, at += g.dy_pixel) {
      asm("" : "+r"(at));  // as in slide
      d[r][i] = V::load(at);
    }
  }
  const uint64_t row = static_cast<uint64_t>(first_row), height = static_cast<uint64_t>(g.height),
                 column = static_cast<uint64_t>(first), width = static_cast<uint64_t>(g.width);
#pragma GCC unroll 4
  for (int p = 0; p < kTaps + kRows - 1; ++p) {
    in.turn();
    out.turn();
    if (row + static_cast<uint64_t>(p) >= height) continue;
    const T* at = x + p * g.x_row;
#pragma GCC unroll 16
    for (int q = 0; q < kPixels + kTaps - 1; ++q, at += g.x_pixel) {
      asm("" : "+r"(at));
      if (column + static_cast<uint64_t>(q) >= width) continue;
      const V pixel = V::load(at);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int k = 0; k < kTaps; ++k) {
          if (p < r || p - r >= kTaps || q < k || q - k >= kPixels) continue;
          acc[p - r][k] = fma(pixel, d[r][q - k], acc[p - r][k]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) sums[t][k] = acc[t][k];
  }
}

template <class T, int kRows, int kPixels>
static FASTNN_INLINE void add_products_of(int64_t pixels, const DepthwiseBlock<T>& g, const T* x, int64_t row,
                                          int64_t first, const T* dy,
                                          Vec<T> (&sums)[kDepthwiseTaps][kDepthwiseTaps], Fetch& in,
                                          Fetch& out) {
  if constexpr (kPixels > kDepthwisePairPixels) {
    if (pixels < kPixels)
      return add_products_of<T, kRows, kPixels - 1>(pixels, g, x, row, first, dy, sums, in, out);
  }
  add_products<T, kRows, kPixels>(g, x, row, first, dy, sums, in, out);
}

template <class T>
static void depthwise_block_pairs(const DepthwiseBlock<T>& g) {
  using V = Vec<T>;
  const int64_t tiles = (g.pixels + kDepthwisePixels - 1) / kDepthwisePixels;
  const int64_t width = g.pixels / tiles, wider = g.pixels % tiles;  // tiles as equal as they can be
  const int64_t turns =
      (kDepthwiseTaps + 1) * g.images * ((g.rows + 1) / 2) * tiles * (g.channels / V::lanes);
  Fetch in(g.ahead, turns), out(g.ahead_out, turns);
  for (int64_t c = 0; c < g.channels; c += V::lanes) {
    V sums[kDepthwiseTaps][kDepthwiseTaps];
    for (auto& row : sums)
      for (V& sum : row) sum = V::zero();
    for (int64_t image = 0; image < g.images; ++image) {
      for (int64_t row = 0; row < g.rows; row += 2) {
        const T* x = g.x + image * g.x_image + row * g.x_row + c;
        const T* dy = g.dy + image * g.dy_image + row * g.dy_row + c;
        for (int64_t t = 0, first = 0; t < tiles; ++t) {
          const int64_t tile = width + (t < wider);
          const T *x_tile = x + first * g.x_pixel, *dy_tile = dy + first * g.dy_pixel;
          row + 1 < g.rows ? add_products_of<T, 2, kDepthwisePixels>(tile, g, x_tile, g.row + row,
                                                                     g.first + first, dy_tile, sums, in, out)
                           : add_products_of<T, 1, kDepthwisePixels>(tile, g, x_tile, g.row + row,
                                                                     g.first + first, dy_tile, sums, in, out);
          first += tile;
        }
      }
    }
    for (int i = 0; i < kDepthwiseTaps * kDepthwiseTaps; ++i) {
      const int t = i / kDepthwiseTaps, k = i % kDepthwiseTaps;
      T* dw = g.dw + t * g.dw_row + k * g.dw_tap + c;
      (V::load(dw) + sums[t][k]).store(dw);
    }
  }
}

template <class T>
Conv2dKernel<T> conv2d_kernel() {
  Conv2dKernel<T> kernel{Vec<T>::lanes,
                         gather<T>,
                         sum_rows<T>,
                         depthwise_row<T, DepthwiseSums, DepthwiseRow<T>>,
                         nullptr,
                         depthwise_row<T, DepthwiseProducts, DepthwiseWeights<T>>,
                         depthwise_block<T>,
                         nullptr};
  // Two rows of a tile, nine weights and a pixel fill most of 32 registers.
  if constexpr (Vec<T>::lanes * sizeof(T) >= 64) {
    kernel.depthwise_pair = depthwise_pair<T>;
    kernel.depthwise_block_pairs = depthwise_block_pairs<T>;
  }
  return kernel;
}

template Conv2dKernel<float> conv2d_kernel<float>();
template Conv2dKernel<double> conv2d_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
