// The thin form over Vec<T>: part of winograd_kernel.inl.h, on whose transforms it is written.
#pragma once

namespace fastnn::FASTNN_ISA {

// The pixels stay in registers until all are known: one decision on each part of the epilogue.
template <class T, class W, int kDepth>
static FASTNN_INLINE void winograd_thin_tile(const WinogradFromPlanes<T>& s, const T* filters) {
  using V = Vec<T>;
  constexpr int kTile = W::shape.tile, kSide = W::shape.products;
  by_patch_channels<T, kTile>(
      s.pixels, s.channels, [&](const auto& pixels) __attribute__((always_inline)) {
        // The tile below, or of the next image: out of cache, stores would wait for their lines.
        by_pixels<kTile>([&](int i, int j) __attribute__((always_inline)) {
          __builtin_prefetch(pixels.at(kTile + i, j), 0, 2);  // into the second cache
        });
        V pixel[kTile][kTile];
        const V bias = s.bias ? load_lanes(s.bias, pixels.n) : V::zero();
        both_ways<T, kSide, kTile, W::output>(
            [&](int i, int j) __attribute__((always_inline)) {
              const T *in = s.in + (i * kSide + j) * kThinPlane,
                      *w = filters + (i * kSide + j) * kDepth * V::lanes;
              V sum = V::set(in[0]) * V::load(w);
#pragma GCC unroll 4
              for (int c = 1; c < kDepth; ++c) sum = fma(V::set(in[c]), V::load(w + c * V::lanes), sum);
              return sum;
            },
            [&](int i, int j, V x) __attribute__((always_inline)) { pixel[i][j] = x + bias; });
        if (s.residual.corner) {
          by_pixels<kTile>([&](int i, int j) __attribute__((always_inline)) {
            pixel[i][j] = pixel[i][j] + pixels.of(s.residual).load(i, j);
          });
        }
        if (s.relu) {
          by_pixels<kTile>([&](int i, int j)
                               __attribute__((always_inline)) { pixel[i][j] = max(V::zero(), pixel[i][j]); });
        }
        by_pixels<kTile>([&](int i, int j)
                             __attribute__((always_inline)) { pixels.store(pixel[i][j], i, j); });
        if (s.mean) join_pixels(s, pixels, pixel);
      });
}

template <class T, class W, int kDepth>
static void winograd_thin_tiles_of(const WinogradThinTiles<T>& g) {
  constexpr int kTile = W::shape.tile;
  WinogradFromPlanes<T> tile = g.tile;
  int64_t width = g.width;
  for (int64_t t = 0; t < g.tiles; ++t, width -= kTile) {
    tile.pixels.right = width < kTile ? static_cast<int>(width) : kTile;
    winograd_thin_tile<T, W, kDepth>(tile, g.filters);
    tile.in += kDepth;
    tile.pixels.corner += kTile * tile.pixels.col;
    if (tile.residual.corner) tile.residual.corner += kTile * tile.residual.col;
    tile.seen += tile.pixels.inside();
  }
}

template <class T, class W>
static void winograd_thin_tiles(const WinogradThinTiles<T>& g) {
  switch (g.depth) {
    case 1:
      return winograd_thin_tiles_of<T, W, 1>(g);
    case 2:
      return winograd_thin_tiles_of<T, W, 2>(g);
    case 3:
      return winograd_thin_tiles_of<T, W, 3>(g);
    default:
      return winograd_thin_tiles_of<T, W, kThinChannels>(g);
  }
}

template <class T, class W>
static void winograd_thin_gather(const WinogradThinToPlanes<T>& g) {
  using V = Vec<T>;
  constexpr int kTile = W::shape.tile;
  for (int64_t k = 0; k < g.numbers; k += V::lanes) {
    both_ways<T, W::shape.window, W::shape.data, W::data>(
        [&](int i, int j) __attribute__((always_inline)) {
          return V::load(g.pixels + i * g.row + j % kTile * g.phase + j / kTile * g.channels + k);
        },
        [&](int i, int j, V x)
            __attribute__((always_inline)) { x.store(g.out + (i * W::shape.data + j) * kThinPlane + k); });
  }
}

template <class T, class W>
static void winograd_thin_gather_rows(const WinogradThinToPlanes<T>& g, int64_t rows) {
  using V = Vec<T>;
  constexpr int kTile = W::shape.tile, kSide = W::shape.data;
  for (int64_t i = 0; i < rows; ++i) {
    T* const out = g.out + i * kSide * kThinPlane;
    for (int64_t k = 0; k < g.numbers; k += V::lanes) {
      V in[W::shape.window], x[kSide];
#pragma GCC unroll 6
      for (int j = 0; j < W::shape.window; ++j)
        in[j] = V::load(g.pixels + i * g.row + j % kTile * g.phase + j / kTile * g.channels + k);
      W::data(in, x);
#pragma GCC unroll 6
      for (int p = 0; p < kSide; ++p) x[p].store(out + p * kThinPlane + k);
    }
  }
}

// The sums of two planes stay in registers while all pixels pass by, transformed anew for each pair: that is
// less work than to write and read them. All pixels pass by three times, and each time some of those that
// come next are asked for: all at once would have to wait for memory.
template <class T, class W, int kDepth, bool kWhole, int kPlane, int kOther, bool kBias>
static void winograd_thin_sum_planes(const WinogradThinSums<T>& g) {
  using V = Vec<T>;
  constexpr int kTile = W::shape.tile, kSide = W::shape.products;
  constexpr int kPlanes[] = {kPlane, kOther};
  constexpr int kAsk = kPlane == 0 ? 2 : 1, kAskFrom = kPlane == 0 ? 2 : kPlane / 2;  // of a tile's pixels
  V sum[2][3][kDepth], bias = V::zero();
  const auto by_sums = [&](auto body) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) {
#pragma GCC unroll 4
        for (int c = 0; c < kDepth; ++c) body(sum[i][v][c], i, v, c);
      }
    }
  };
  by_sums([&](V & x, int, int, int) __attribute__((always_inline)) { x = V::zero(); });
  const auto load = [&](const T* p) __attribute__((always_inline)) {
    return kWhole ? V::load(p) : V::load(p, g.filters);
  };
  constexpr int64_t kRow = kSide * kThinPlane;
  const int64_t tiles = g.width / kTile, rest = g.width % kTile;
  for (int64_t i = 0; i < g.rows; ++i) {
    const T* row[3];
    for (int v = 0; v < 3; ++v) row[v] = g.data + (i + v) * kRow;
    const T* at = g.dy + i * g.row;
    const auto add = [&](const V(&pixel)[kTile]) __attribute__((always_inline)) {
      V spread[kSide];
      W::spread(pixel, spread);
      by_sums([&](V & x, int p, int v, int c) __attribute__((always_inline)) {
        x = fma(V::set(row[v][kPlanes[p] * kThinPlane + c]), spread[kPlanes[p]], x);
      });
      if constexpr (kBias) bias = bias + ((pixel[0] + pixel[1]) + (pixel[2] + pixel[3]));
    };
    for (int64_t t = 0; t < tiles; ++t) {
      V pixel[kTile];
#pragma GCC unroll 4
      for (int j = 0; j < kTile; ++j) pixel[j] = load(at + j * g.col);
#pragma GCC unroll 2
      for (int j = kAskFrom; j < kAskFrom + kAsk; ++j)
        __builtin_prefetch(at + g.ahead + j * g.col, 0, 2);  // into the second cache
      add(pixel);
      row[0] += kDepth;
      row[1] += kDepth;
      row[2] += kDepth;
      at += kTile * g.col;
      asm("" : "+r"(row[0]), "+r"(row[1]), "+r"(row[2]), "+r"(at));  // or the compiler makes many offsets
    }
    if (rest == 0) continue;
    V pixel[kTile];
#pragma GCC unroll 4
    for (int j = 0; j < kTile; ++j) pixel[j] = j < rest ? load(at + j * g.col) : V::zero();
    add(pixel);
  }
  by_sums([&](V & x, int p, int v, int c) __attribute__((always_inline)) {
    T* const to = g.sums + ((kPlanes[p] * 3 + v) * kDepth + c) * V::lanes;
    (V::load(to) + x).store(to);
  });
  if constexpr (kBias) {
    T* const to = g.sums + kSide * 3 * kDepth * V::lanes;
    (V::load(to) + bias).store(to);
  }
}

template <class T, class W, int kDepth, bool kWhole>
static void winograd_thin_sums_of(const WinogradThinSums<T>& g) {
  g.bias ? winograd_thin_sum_planes<T, W, kDepth, kWhole, 1, 2, true>(g)
         : winograd_thin_sum_planes<T, W, kDepth, kWhole, 1, 2, false>(g);
  winograd_thin_sum_planes<T, W, kDepth, kWhole, 3, 4, false>(g);
  winograd_thin_sum_planes<T, W, kDepth, kWhole, 0, 5, false>(g);
}

template <class T, class W>
static void winograd_thin_sums(const WinogradThinSums<T>& g) {
  const auto run = [&](auto whole, auto part) { (g.filters == Vec<T>::lanes ? whole : part)(g); };
  switch (g.depth) {
    case 1:
      return run(winograd_thin_sums_of<T, W, 1, true>, winograd_thin_sums_of<T, W, 1, false>);
    case 2:
      return run(winograd_thin_sums_of<T, W, 2, true>, winograd_thin_sums_of<T, W, 2, false>);
    case 3:
      return run(winograd_thin_sums_of<T, W, 3, true>, winograd_thin_sums_of<T, W, 3, false>);
    default:
      return run(winograd_thin_sums_of<T, W, kThinChannels, true>,
                 winograd_thin_sums_of<T, W, kThinChannels, false>);
  }
}

template <class T, class W>
static void winograd_thin_gradient(const T* sums, int depth, int n, T* taps, int64_t row) {
  using V = Vec<T>;
  constexpr int kSide = W::shape.filters;
  for (int v = 0; v < 3; ++v) {
    for (int c = 0; c < depth; ++c) {
      V sum[kSide], tap[3];
      for (int p = 0; p < kSide; ++p) sum[p] = V::load(sums + ((p * 3 + v) * depth + c) * V::lanes);
      W::filter_transposed(sum, tap);
      for (int h = 0; h < 3; ++h) store_lanes(tap[h], taps + ((3 * v + h) * depth + c) * row, n);
    }
  }
  store_lanes(V::load(sums + kSide * 3 * depth * V::lanes), taps + 9 * depth * row, n);
}

}  // namespace fastnn::FASTNN_ISA
