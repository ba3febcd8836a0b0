// The micro-kernel as a template over Vec<T>, tile height and tile width. See gemm_kernel.h for the equation.
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn::FASTNN_ISA {

// Tile of kRows x (kVecs registers). Accumulators fill the register file but for the panel row of B, one
// broadcast and a spare: 14 x 2 of 32 on AVX-512, 6 x 2 of 16 on AVX2, 6 x 4 of 32 (four-lane) on NEON.
template <class T>
constexpr int gemm_rows() {
  return Vec<T>::lanes == 1 ? 4 : Vec<T>::registers == 32 && Vec<T>::lanes * sizeof(T) == 64 ? 14 : 6;
}

template <class T>
constexpr int gemm_vecs() {
  return Vec<T>::lanes * sizeof(T) == 16 ? 4 : Vec<T>::lanes == 1 ? 4 : 2;
}

// Rows of a tile one register wide: more of them share the loads of B and the work round a tile.
template <class T>
constexpr int gemm_narrow_rows() {
  if (Vec<T>::lanes == 1) return gemm_rows<T>();
  return Vec<T>::registers < 32 ? 12 : Vec<T>::lanes * sizeof(T) == 64 ? 28 : 16;
}

// Registers that a tile of few rows is wide: twice as many as long as the accumulators last. They hide the
// latency of fma, and rows of B are read in longer pieces.
template <class T>
constexpr int gemm_wide_vecs(int rows) {
  if (rows > gemm_rows<T>()) return 1;
  int vecs = gemm_vecs<T>();
  while (Vec<T>::lanes > 1 && 2 * vecs * rows <= gemm_rows<T>() * gemm_vecs<T>()) vecs *= 2;
  return vecs;
}

template <class V, int kRows, int kVecs>
struct GemmAccumulators {
  V acc[kRows][kVecs];

  // One step of the sum: a column of A times a row of B.
  template <class Rows>
  FASTNN_INLINE void step(const Rows& rows, const V (&b)[kVecs]) {
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      const V x = V::set(rows.at(i));
#pragma GCC unroll 32
      for (int v = 0; v < kVecs; ++v) acc[i][v] = fma(x, b[v], acc[i][v]);
    }
  }
};

// Where the rows of A stand in the sum: contiguous elements, or one pointer for every five rows, as base plus
// none to four times the distance are addresses that one instruction forms from that distance and its triple.
// A pointer for each row, or an offset, would not fit into the general registers.
template <class T, int kRows, bool kContiguous>
struct GemmRows {
  static constexpr int kBases = kContiguous ? 1 : (kRows + 4) / 5;
  const char* base[kBases];
  int64_t distance, triple, a_col;  // in bytes

  FASTNN_INLINE GemmRows(const T* a, int64_t row, int64_t col)
      : distance(row * static_cast<int64_t>(sizeof(T))),
        triple(3 * distance),
        a_col(col * static_cast<int64_t>(sizeof(T))) {
    asm("" : "+r"(triple));
#pragma GCC unroll 8
    for (int g = 0; g < kBases; ++g) {
      base[g] = reinterpret_cast<const char*>(a) + 5 * g * distance;
      asm("" : "+r"(base[g]));  // or the compiler makes offsets of them again
    }
  }
  FASTNN_INLINE T at(int i) const {
    const T* row = reinterpret_cast<const T*>(
        kContiguous ? base[0] : base[i / 5] + (i % 5 == 3 ? triple : i % 5 * distance));
    return kContiguous ? row[i] : *row;
  }
  FASTNN_INLINE void advance() {
#pragma GCC unroll 8
    for (int g = 0; g < kBases; ++g) base[g] += kContiguous ? a_col : static_cast<int64_t>(sizeof(T));
  }
};

template <class T, class V, int kRows, int kVecs>
struct GemmTileKernel {
  using Accumulators = GemmAccumulators<V, kRows, kVecs>;
  static constexpr bool kWide = kVecs > gemm_vecs<T>();
  static constexpr int kLanes = V::lanes;

  // Valid lanes of register v of a tile `cols` wide.
  static FASTNN_INLINE int lanes_of(int cols, int v) {
    const int n = cols - v * kLanes;
    return n < 0 ? 0 : n > kLanes ? kLanes : n;
  }

  template <bool kMasked>
  static FASTNN_INLINE void load_b(const T* b, int cols, V (&out)[kVecs]) {
#pragma GCC unroll 32
    for (int v = 0; v < kVecs; ++v) {
      out[v] = kMasked ? V::load(b + v * kLanes, lanes_of(cols, v)) : V::load(b + v * kLanes);
    }
  }

  template <bool kRowContiguous, bool kMasked, bool kAhead = false>
  static FASTNN_INLINE void multiply(const GemmTile<T>& t, Accumulators& tile) {
    constexpr int kLine = 64 / sizeof(T);
    const T* ahead = t.ahead;
    for (int64_t r = 0; r < t.runs; ++r) {
      GemmRows<T, kRows, kRowContiguous> rows(t.a + t.a_offset[r], t.a_row, t.a_col);
      const T* b = t.b + t.b_offset[r];
#pragma GCC unroll 2
      for (int64_t p = 0; p < t.depth; ++p) {
        V row[kVecs];
        load_b<kMasked>(b, t.cols, row);
        if (kAhead) {
#pragma GCC unroll 8
          for (int j = 0; j < kVecs * kLanes; j += kLine) __builtin_prefetch(ahead + j);
          ahead += t.ahead_row;
        }
        tile.step(rows, row);
        rows.advance();
        b += t.b_row;
        // Of single floats GCC 12 makes vectors with halves of two rows, one of them beyond the last.
        if (kLanes == 1 && sizeof(T) == 4) asm("" : "+r"(b));
      }
    }
  }

  // Bias, residual, ReLU and column statistics, while the tile is in registers.
  static FASTNN_INLINE void finish(const GemmTile<T>& t, Accumulators& tile) {
#pragma GCC unroll 32
    for (int v = 0; v < kVecs; ++v) {
      const int n = lanes_of(t.cols, v);
      if (t.bias || t.residual || t.relu) apply(t, tile, v, n);
      if (!kWide && t.mean) take_statistics(t, tile, v, n);
    }
  }

  static FASTNN_INLINE void apply(const GemmTile<T>& t, Accumulators& tile, int v, int n) {
    const V bias = t.bias ? V::load(t.bias + v * kLanes, n) : V::zero();
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      V& x = tile.acc[i][v];
      x = x + bias;
      if (t.residual) x = x + V::load(t.residual + i * t.residual_row + v * kLanes, n);
      if (t.relu) x = max(V::zero(), x);
    }
  }

  // Mean and squared deviations of this tile, then joined with the rows before it (Chan, Golub and LeVeque,
  // 1979). Even and odd rows are added up apart: one sum would wait for every addition.
  static FASTNN_INLINE void take_statistics(const GemmTile<T>& t, const Accumulators& tile, int v, int n) {
    V total[2] = {V::zero(), V::zero()}, squares[2] = {V::zero(), V::zero()};
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) total[i % 2] = total[i % 2] + tile.acc[i][v];
    const V mean = (total[0] + total[1]) * V::set(T(1) / T(kRows));
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
      const V d = tile.acc[i][v] - mean;
      squares[i % 2] = fma(d, d, squares[i % 2]);
    }
    const T before = T(t.seen), share = T(kRows) / (before + T(kRows));
    const V old_mean = t.seen ? V::load(t.mean + v * kLanes, n) : V::zero();
    const V old_squares = t.seen ? V::load(t.sum_squares + v * kLanes, n) : V::zero();
    const V delta = mean - old_mean;
    fma(delta, V::set(share), old_mean).store(t.mean + v * kLanes, n);
    fma(delta * delta, V::set(before * share), old_squares + (squares[0] + squares[1]))
        .store(t.sum_squares + v * kLanes, n);
  }

  // From registers into C. Full tiles need no masks.
  template <bool kFull>
  static FASTNN_INLINE void write(const GemmTile<T>& t, Accumulators& tile) {
    if (t.accumulate) {
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 32
        for (int v = 0; v < kVecs; ++v) {
          const T* c = t.c + i * t.c_row + v * kLanes;
          tile.acc[i][v] = tile.acc[i][v] + (kFull ? V::load(c) : V::load(c, lanes_of(t.cols, v)));
        }
      }
    }
    if (t.finish && (t.bias || t.residual || t.relu || t.mean)) finish(t, tile);
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 32
      for (int v = 0; v < kVecs; ++v) {
        T* c = t.c + i * t.c_row + v * kLanes;
        kFull ? tile.acc[i][v].store(c) : tile.acc[i][v].store(c, lanes_of(t.cols, v));
      }
    }
  }

  static void run(const GemmTile<T>& t) {
    Accumulators tile;
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 32
      for (int v = 0; v < kVecs; ++v) tile.acc[i][v] = V::zero();
    }
    // The result's lines arrive while the sum is built.
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 32
      for (int v = 0; v < kVecs; ++v) __builtin_prefetch(t.c + i * t.c_row + v * kLanes, 1);
    }
    if (t.b_masked && t.cols != kVecs * kLanes) {
      t.a_row == 1 ? multiply<true, true>(t, tile) : multiply<false, true>(t, tile);
    } else if (!kWide && t.ahead) {
      t.a_row == 1 ? multiply<true, false, true>(t, tile) : multiply<false, false, true>(t, tile);
    } else {
      t.a_row == 1 ? multiply<true, false>(t, tile) : multiply<false, false>(t, tile);
    }
    const GemmTile<T>* later = &t;
    asm("" : "+r"(later));  // what follows is read again: kept since before the sum, it would crowd registers
    !kWide && later->cols == kVecs* kLanes ? write<true>(*later, tile) : write<false>(*later, tile);
  }
};

// Narrow results run on fewer registers, or on half of one, instead of multiplying zeros: the first tile
// width that holds `cols`.
template <class T, int kRows, int kVecs>
static void gemm_tile_width(const GemmTile<T>& t) {
  if constexpr (kVecs > 1) {
    constexpr int kNarrower = kVecs > gemm_vecs<T>() ? kVecs / 2 : kVecs - 1;
    if (t.cols <= kNarrower * Vec<T>::lanes) return gemm_tile_width<T, kRows, kNarrower>(t);
  } else if constexpr (HalfVec<T>::lanes < Vec<T>::lanes) {
    if (t.cols <= HalfVec<T>::lanes) return GemmTileKernel<T, HalfVec<T>, kRows, 1>::run(t);
  }
  GemmTileKernel<T, Vec<T>, kRows, kVecs>::run(t);
}

template <class T>
struct GemmTileTable {
  void (*of_rows[gemm_narrow_rows<T>() + 1])(const GemmTile<T>&) = {};

  template <int kRows>
  constexpr void fill() {
    if constexpr (kRows > 0) {
      of_rows[kRows] = gemm_tile_width<T, kRows, gemm_wide_vecs<T>(kRows)>;
      fill<kRows - 1>();
    }
  }
  constexpr GemmTileTable() { fill<gemm_narrow_rows<T>()>(); }
};

template <class T>
static void gemm_tile(const GemmTile<T>& t) {
  static constexpr GemmTileTable<T> kTable;
  kTable.of_rows[t.rows](t);
}

template <class T>
static int gemm_wide_cols(int rows) {
  return gemm_wide_vecs<T>(rows) * Vec<T>::lanes;
}

// A square of pack_rows_as_columns, `valid` rows by `n` columns of A, `written` columns of out: all three
// full, or any.
template <class T, bool kAffine, bool kRelu, bool kFull>
static FASTNN_INLINE void pack_square(const T* a, int64_t a_row, int valid, int n, int written,
                                      const T* scale, const T* shift, T* out, int64_t out_row) {
  using V = Vec<T>;
  constexpr int L = V::lanes;
  V square[L];
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) {
    if (!kFull && i >= valid) {
      square[i] = V::zero();
      continue;
    }
    V x = kFull ? V::load(a + i * a_row) : V::load(a + i * a_row, n);
    if (kAffine) x = fma(x, V::load(scale, n), V::load(shift, n));
    if (kRelu) x = max(V::zero(), x);
    square[i] = x;
  }
  V::transpose(square);
#pragma GCC unroll 16
  for (int q = 0; q < L; ++q) {
    if (kFull) {
      square[q].store(out + q * out_row);
    } else if (q < n) {
      square[q].store(out + q * out_row, written);
    }
  }
}

// out[p * out_row + i] = f(a[i * a_row + p]) for i < count, and 0 for count <= i < padded: `count` contiguous
// rows become columns, through squares that are transposed in registers.
template <class T, bool kAffine, bool kRelu>
static FASTNN_INLINE void pack_rows_as_columns(const T* a, int64_t a_row, int count, int padded,
                                               int64_t depth, const T* scale, const T* shift, T* out,
                                               int64_t out_row) {
  constexpr int L = Vec<T>::lanes;
  for (int i = 0; i < padded; i += L) {
    const int valid = count - i < L ? count - i : L, written = padded - i < L ? padded - i : L;
    for (int64_t p = 0; p < depth; p += L) {
      const int n = depth - p < L ? static_cast<int>(depth - p) : L;
      const T *from = a + i * a_row + p, *scales = kAffine ? scale + p : nullptr,
              *shifts = kAffine ? shift + p : nullptr;
      T* to = out + p * out_row + i;
      if (valid == L && written == L && n == L) {
        pack_square<T, kAffine, kRelu, true>(from, a_row, valid, n, written, scales, shifts, to, out_row);
      } else {
        pack_square<T, kAffine, kRelu, false>(from, a_row, valid, n, written, scales, shifts, to, out_row);
      }
    }
  }
}

template <class T, bool kAffine, bool kRelu>
static FASTNN_INLINE void pack_a_as(const GemmPackA<T>& g) {
  using V = Vec<T>;
  if (g.a_col == 1 && g.a_row != 1) {
    pack_rows_as_columns<T, kAffine, kRelu>(g.a, g.a_row, g.rows, g.rows, g.depth, g.scale, g.shift, g.out,
                                            g.rows);
    return;
  }
  const auto f = [&](V x, int64_t p) {
    if (kAffine) x = fma(x, V::set(g.scale[p]), V::set(g.shift[p]));
    return kRelu ? max(V::zero(), x) : x;
  };
  for (int64_t p = 0; p < g.depth; ++p) {
    const T* column = g.a + p * g.a_col;
    T* out = g.out + p * g.rows;
    if (g.a_row == 1) {
      for (int i = 0; i < g.rows; i += V::lanes) {
        const int n = g.rows - i < V::lanes ? g.rows - i : V::lanes;
        f(V::load(column + i, n), p).store(out + i, n);
      }
    } else {
      for (int i = 0; i < g.rows; ++i) f(V::set(column[i * g.a_row]), p).store(out + i, 1);
    }
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
  if (g.b_row == 1 && g.b_col != 1) {  // a transpose
    pack_rows_as_columns<T, false, false>(g.b, g.b_col, g.cols, g.width, g.depth, nullptr, nullptr, g.out,
                                          g.width);
    return;
  }
  const int whole = g.cols / V::lanes * V::lanes, rest = g.cols - whole;
  for (int64_t p = 0; p < g.depth; ++p) {
    const T* row = g.b + p * g.b_row;
    T* out = g.out + p * g.width;
    if (g.b_col == 1) {
      // The next panel's part of this row: no hardware guesses it from short reads a row apart.
      for (int j = 0; j < g.width; j += V::lanes) __builtin_prefetch(row + g.width + j);
      for (int j = 0; j < whole; j += V::lanes) V::load(row + j).store(out + j);
      if (whole == g.width) continue;
      V::load(row + whole, rest).store(out + whole);
      for (int j = whole + V::lanes; j < g.width; j += V::lanes) V::zero().store(out + j);
    } else {
      for (int j = 0; j < g.width; ++j) out[j] = j < g.cols ? row[j * g.b_col] : T(0);
    }
  }
}

// Dot products of kRows rows of A with kCols columns of B, both contiguous along the sum. Inlined beside
// others of its kind, its loop would be 9 % slower.
template <class T, int kRows, int kCols>
__attribute__((noinline)) static void dot_block(const GemmDot<T>& d, int i0, int j0) {
  using V = Vec<T>;
  constexpr int kSums = (kRows * kCols + V::lanes - 1) / V::lanes;
  V acc[kSums * V::lanes];
#pragma GCC unroll 32
  for (int i = 0; i < kSums * V::lanes; ++i) acc[i] = V::zero();
  const T* a = d.a + i0 * d.a_row;
  const T* b = d.b + j0 * d.b_col;
  const auto step = [&](int64_t p, auto load) {
    V row[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) row[i] = load(a + i * d.a_row + p);
#pragma GCC unroll 16
    for (int j = 0; j < kCols; ++j) {
      const V column = load(b + j * d.b_col + p);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) acc[i * kCols + j] = fma(row[i], column, acc[i * kCols + j]);
    }
  };
  int64_t p = 0;
  for (; p + V::lanes <= d.depth; p += V::lanes) step(p, [](const T* x) { return V::load(x); });
  const int tail = static_cast<int>(d.depth - p);
  if (tail) step(p, [tail](const T* x) { return V::load(x, tail); });
  T total[kSums * V::lanes];
#pragma GCC unroll 16
  for (int s = 0; s < kSums; ++s) {
    V group[V::lanes];
#pragma GCC unroll 16
    for (int i = 0; i < V::lanes; ++i) group[i] = acc[s * V::lanes + i];
    V::sums(group).store(total + s * V::lanes);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) memcpy(d.c + (i0 + i) * d.c_row + j0, total + i * kCols, kCols * sizeof(T));
}

// Rows of a block of dot products: with four columns, one or two sums of lanes finish it, and enough fma are
// under way at a time.
template <class T>
constexpr int dot_block_rows() {
  return Vec<T>::registers == 32 ? 4 : 2;
}

// Where sums are long. Registers are left for half as many rows again, and more fma then share a load: those
// of arrays as NumPy makes them cross cache lines. But the lanes of a block are added up in more steps.
template <class T>
constexpr int dot_long_block_rows() {
  return dot_block_rows<T>() * 3 / 2;
}

// The block that is `cols` wide, at most kCols.
template <class T, int kRows, int kCols>
static FASTNN_INLINE void dot_width(const GemmDot<T>& d, int i0, int j0, int cols) {
  if constexpr (kCols > 1) {
    if (cols < kCols) return dot_width<T, kRows, kCols - 1>(d, i0, j0, cols);
  }
  dot_block<T, kRows, kCols>(d, i0, j0);
}

// The blocks of some rows, `rows` of them, at most kRows: columns in even parts.
template <class T, int kRows>
static void dot_rows(const GemmDot<T>& d, int i0, int rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return dot_rows<T, kRows - 1>(d, i0, rows);
  }
  constexpr int kMost = kRows > dot_block_rows<T>() ? 4 : 4 * dot_block_rows<T>() / kRows;
  const int parts = (d.cols + kMost - 1) / kMost;
  for (int part = 0; part < parts; ++part) {
    const int begin = d.cols * part / parts, end = d.cols * (part + 1) / parts;
    dot_width<T, kRows, kMost>(d, i0, begin, end - begin);
  }
}

template <class T>
static void gemm_dot(const GemmDot<T>& d) {
  constexpr int kLong = 16 * Vec<T>::lanes, kMost = dot_long_block_rows<T>();
  const int most = d.depth >= kLong ? kMost : dot_block_rows<T>();
  const int parts = (d.rows + most - 1) / most;
  for (int part = 0; part < parts; ++part) {
    const int begin = d.rows * part / parts, end = d.rows * (part + 1) / parts;
    dot_rows<T, kMost>(d, begin, end - begin);
  }
}

template <class T>
GemmKernel<T> gemm_kernel() {
  constexpr int rows = gemm_rows<T>(), vecs = gemm_vecs<T>(), narrow_rows = gemm_narrow_rows<T>();
  // 32 to 64 KB of B a panel: 512 rows of 128 bytes. A tile's C comes and goes once for each run of the sum.
  return {rows,         vecs * Vec<T>::lanes, Vec<T>::lanes,  narrow_rows,   512, gemm_wide_cols<T>,
          gemm_tile<T>, gemm_dot<T>,          gemm_pack_a<T>, gemm_pack_b<T>};
}

template GemmKernel<float> gemm_kernel<float>();
template GemmKernel<double> gemm_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
