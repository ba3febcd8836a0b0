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

}  // namespace fastnn::FASTNN_ISA
