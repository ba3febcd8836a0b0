// The micro-kernel as a template over Vec<T>, tile height and tile width. See gemm_kernel.h for the equation.
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn::FASTNN_ISA {

// Tile of kRows x (kVecs registers). Accumulators fill the register file but for the panel row of B, one
// broadcast and a spare: 14 x 2 of 32 on AVX-512, 6 x 2 of 16 on AVX2, 6 x 4 of 32 (four-lane) on NEON.
template <class T>
struct GemmShape;

template <class T, int kRows, int kVecs>
struct GemmAccumulators {
  using V = Vec<T>;
  V acc[kRows][kVecs];

  // One step of the sum: a column of A times a row of B.
  template <bool kRowContiguous>
  FASTNN_INLINE void step(const T* a, int64_t a_row, const V (&b)[kVecs]) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V x = V::set(a[kRowContiguous ? i : i * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[i][v] = fma(x, b[v], acc[i][v]);
    }
  }
};

template <class T, int kRows, int kVecs>
struct GemmTileKernel {
  using V = Vec<T>;
  static constexpr int kLanes = V::lanes;

  // Valid lanes of register v of a tile `cols` wide.
  static FASTNN_INLINE int lanes_of(int cols, int v) {
    const int n = cols - v * kLanes;
    return n < 0 ? 0 : n > kLanes ? kLanes : n;
  }

  template <bool kMasked>
  static FASTNN_INLINE void load_b(const T* b, int cols, V (&out)[kVecs]) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      out[v] = kMasked ? V::load(b + v * kLanes, lanes_of(cols, v)) : V::load(b + v * kLanes);
    }
  }

  template <bool kRowContiguous, bool kMasked>
  static FASTNN_INLINE void multiply(const GemmTile<T>& t, GemmAccumulators<T, kRows, kVecs>& tile) {
    for (int64_t r = 0; r < t.runs; ++r) {
      const T* a = t.a[r];
      const T* b = t.b[r];
      const int64_t a_step = kRowContiguous ? t.a_col : 1;
#pragma GCC unroll 2
      for (int64_t p = 0; p < t.depth; ++p) {
        V row[kVecs];
        load_b<kMasked>(b, t.cols, row);
        tile.template step<kRowContiguous>(a, t.a_row, row);
        a += a_step;
        b += t.b_row;
      }
    }
  }

  // Bias, residual, ReLU and column statistics, while the tile is in registers.
  static FASTNN_INLINE void finish(const GemmTile<T>& t, GemmAccumulators<T, kRows, kVecs>& tile) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const int n = lanes_of(t.cols, v);
      const V bias = t.bias ? V::load(t.bias + v * kLanes, n) : V::zero();
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        V& x = tile.acc[i][v];
        x = x + bias;
        if (t.residual) x = x + V::load(t.residual + i * t.residual_row + v * kLanes, n);
        if (t.relu) x = max(V::zero(), x);
      }
      if (!t.mean) continue;
      // Mean and squared deviations of this tile, then joined with the rows before it (Chan, Golub and
      // LeVeque, 1979).
      V total = V::zero();
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) total = total + tile.acc[i][v];
      const V mean = total * V::set(T(1) / T(kRows));
      V squares = V::zero();
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const V d = tile.acc[i][v] - mean;
        squares = fma(d, d, squares);
      }
      const T before = T(t.seen), share = T(kRows) / (before + T(kRows));
      const V old_mean = t.seen ? V::load(t.mean + v * kLanes, n) : V::zero();
      const V old_squares = t.seen ? V::load(t.sum_squares + v * kLanes, n) : V::zero();
      const V delta = mean - old_mean;
      fma(delta, V::set(share), old_mean).store(t.mean + v * kLanes, n);
      fma(delta * delta, V::set(before * share), old_squares + squares).store(t.sum_squares + v * kLanes, n);
    }
  }

  static void run(const GemmTile<T>& t) {
    GemmAccumulators<T, kRows, kVecs> tile;
    const bool full = t.cols == kVecs * kLanes;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) tile.acc[i][v] = V::zero();
    }
    if (t.b_masked && !full) {
      t.a_row == 1 ? multiply<true, true>(t, tile) : multiply<false, true>(t, tile);
    } else {
      t.a_row == 1 ? multiply<true, false>(t, tile) : multiply<false, false>(t, tile);
    }
    if (t.accumulate) {
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) {
          const T* c = t.c + i * t.c_row + v * kLanes;
          tile.acc[i][v] = tile.acc[i][v] + V::load(c, lanes_of(t.cols, v));
        }
      }
    }
    if (t.finish) finish(t, tile);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        T* c = t.c + i * t.c_row + v * kLanes;
        full ? tile.acc[i][v].store(c) : tile.acc[i][v].store(c, lanes_of(t.cols, v));
      }
    }
  }
};

// Narrow results run on fewer registers instead of multiplying zeros: the first tile width that holds `cols`.
template <class T, int kRows, int kVecs>
static FASTNN_INLINE void gemm_tile_width(const GemmTile<T>& t) {
  if constexpr (kVecs > 1) {
    if (t.cols <= (kVecs - 1) * Vec<T>::lanes) return gemm_tile_width<T, kRows, kVecs - 1>(t);
  }
  GemmTileKernel<T, kRows, kVecs>::run(t);
}

template <class T, int kRows, int kVecs>
static void gemm_tile(const GemmTile<T>& t) {
  if constexpr (kRows > 1) {
    if (t.rows < kRows) return gemm_tile<T, kRows - 1, kVecs>(t);
  }
  gemm_tile_width<T, kRows, kVecs>(t);
}

template <class T, bool kAffine, bool kRelu>
static FASTNN_INLINE void pack_a_as(const GemmPackA<T>& g) {
  const auto f = [&](T x, int64_t p) {
    if (kAffine) x = x * g.scale[p] + g.shift[p];
    return kRelu && x < T(0) ? T(0) : x;
  };
  if (g.a_row == 1) {
    for (int64_t p = 0; p < g.depth; ++p) {
      for (int i = 0; i < g.rows; ++i) g.out[p * g.rows + i] = f(g.a[p * g.a_col + i], p);
    }
    return;
  }
  for (int i = 0; i < g.rows; ++i) {
    const T* row = g.a + i * g.a_row;
    T* out = g.out + i;
    for (int64_t p = 0; p < g.depth; ++p) out[p * g.rows] = f(row[p * g.a_col], p);
  }
}

template <class T>
static void gemm_pack_a(const GemmPackA<T>& g) {
  if (g.scale) return g.relu ? pack_a_as<T, true, true>(g) : pack_a_as<T, true, false>(g);
  g.relu ? pack_a_as<T, false, true>(g) : pack_a_as<T, false, false>(g);
}

template <class T>
static void gemm_pack_b(const GemmPackB<T>& g) {
  using V = Vec<T>;
  if (g.b_col == 1) {
    for (int64_t p = 0; p < g.depth; ++p) {
      for (int j = 0; j < g.width; j += V::lanes) {
        const int n = g.cols - j;
        V::load(g.b + p * g.b_row + j, n < 0          ? 0
                                       : n > V::lanes ? V::lanes
                                                      : n)
            .store(g.out + p * g.width + j);
      }
    }
    return;
  }
  // Columns are contiguous (a transpose): blocks of a few rows of the panel, so that each line of B is read
  // once.
  constexpr int64_t kBlock = 16;
  for (int64_t p0 = 0; p0 < g.depth; p0 += kBlock) {
    const int64_t p1 = p0 + kBlock < g.depth ? p0 + kBlock : g.depth;
    for (int j = 0; j < g.width; ++j) {
      const T* column = g.b + j * g.b_col;
      for (int64_t p = p0; p < p1; ++p) g.out[p * g.width + j] = j < g.cols ? column[p * g.b_row] : T(0);
    }
  }
}

template <class T>
constexpr int gemm_rows() {
  return Vec<T>::lanes == 1 ? 4 : Vec<T>::registers == 32 && Vec<T>::lanes * sizeof(T) == 64 ? 14 : 6;
}

template <class T>
constexpr int gemm_vecs() {
  return Vec<T>::lanes * sizeof(T) == 16 ? 4 : Vec<T>::lanes == 1 ? 4 : 2;
}

template <class T>
GemmKernel<T> gemm_kernel() {
  constexpr int rows = gemm_rows<T>(), vecs = gemm_vecs<T>();
  // 16 to 32 KB of B a panel: 256 rows of 128 bytes.
  return {rows, vecs * Vec<T>::lanes, 256, gemm_tile<T, rows, vecs>, gemm_pack_a<T>, gemm_pack_b<T>};
}

template GemmKernel<float> gemm_kernel<float>();
template GemmKernel<double> gemm_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
