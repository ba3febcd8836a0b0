// The driver: cuts a product into blocks for the caches and chunks for the threads, by shape alone.
#include "fastnn/ops/gemm/gemm.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

// Chunks of C: bands of row tiles by bands of panels.
struct Grid {
  int64_t width;          // columns of a panel
  int64_t tiles, panels;  // row tiles and column panels in all
  int64_t row_bands, col_bands;

  int64_t chunks() const { return row_bands * col_bands; }
  int64_t most_panels() const { return ceil_div(panels, col_bands); }  // of a column band
};

constexpr int64_t kWantedChunks = 8;  // enough to balance a few threads

// For B that is packed beforehand or read in place: bands of rows share it.
template <class T>
Grid grid_of_rows(int64_t m, int64_t n, int64_t k, const GemmKernel<T>& kernel, int64_t width) {
  constexpr int64_t kBandTerms = 2048;  // 8 x 14 rows x 256 of A: 112 KB, within the second cache
  constexpr int64_t kBandPanels = 16;   // of a tile's width: wide bands repack A seldom
  Grid grid;
  grid.width = width;
  grid.tiles = ceil_div(m, kernel.rows);
  grid.panels = ceil_div(n, width);
  grid.col_bands = ceil_div(grid.panels, std::max<int64_t>(1, kBandPanels * kernel.cols / width));
  const int64_t wanted = std::min(grid.tiles, ceil_div(kWantedChunks, grid.col_bands));
  const int64_t band_tiles = std::clamp<int64_t>(kBandTerms / std::max<int64_t>(k, 1), 4, 8);
  grid.row_bands = std::max(wanted, ceil_div(grid.tiles, band_tiles));
  return grid;
}

// Whether the chunks of a product are whole columns: many of them, and so few rows that all of A is packed at
// once where it must be.
bool by_columns(int64_t m, int64_t n, int tile_cols) {
  constexpr int64_t kMostRows = 1024;
  return m <= kMostRows && ceil_div(n, tile_cols) >= kWantedChunks;
}

Grid grid_of_columns(int64_t m, int64_t n, int tile_rows, int tile_cols) {
  const int64_t panels = ceil_div(n, tile_cols);
  return {tile_cols, ceil_div(m, tile_rows), panels, 1, std::min(panels, 2 * kWantedChunks)};
}

// Rows of B, or columns of A, that are fetched before the sum reaches them, where they are read in place.
constexpr int64_t kFetchedAhead = 8;

// Where the kernel finds the rows of B from some p on: `data` in the first panel, others follow.
template <class T>
struct Panels {
  const T* data;
  int64_t next, row;  // from a panel to the next, and from a row of a panel to the next
  bool in_place;      // B as it stands: the last panel ends with the matrix, not with its width
};

template <class T>
double flops_of(const MatrixView<T>& c, int64_t k) {
  return 2.0 * static_cast<double>(c.rows) * static_cast<double>(c.cols) * static_cast<double>(k);
}

// Columns of B that make panel `j`, packed into `out`.
template <class T>
void pack_panel(const GemmKernel<T>& kernel, MatrixView<const T> b, int64_t j, T* out) {
  const int64_t col = j * kernel.cols;
  kernel.pack_b({b.data + col * b.col_stride, b.row_stride, b.col_stride,
                 static_cast<int>(std::min<int64_t>(kernel.cols, b.cols - col)), kernel.cols, b.rows, out});
}

// Packs `count` panels of B, from `first` on, one after another.
template <class T>
void pack_panels(const GemmKernel<T>& kernel, MatrixView<const T> b, int64_t first, int64_t count, T* out) {
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(b.rows * count * kernel.cols);
  parallel_for(count, bytes / kBytesPerNs,
               [&](int64_t j) { pack_panel(kernel, b, first + j, out + j * kernel.cols * b.rows); });
}

template <class T>
struct Product {
  GemmKernel<T> kernel;
  Grid grid;
  MatrixView<const T> a;
  MatrixView<T> c;  // columns contiguous
  const Prologue<T>& prologue;
  const Epilogue<T>& epilogue;
  T* mean;  // (row_bands, n): statistics of each band, joined in order at the end; or null
  T* squares;

  // A run of the sum: as many terms as a panel of B may hold.
  struct Terms {
    int64_t begin, count;
  };
  int64_t runs() const { return std::max<int64_t>(1, ceil_div(a.cols, kernel.depth)); }
  Terms terms(int64_t run) const {
    const int64_t begin = part_begin(a.cols, runs(), run);
    return {begin, part_begin(a.cols, runs(), run + 1) - begin};
  }
  int64_t most_terms() const { return ceil_div(a.cols, runs()); }

  int64_t first_panel(int64_t col_band) const { return part_begin(grid.panels, grid.col_bands, col_band); }
  int64_t first_tile(int64_t band) const { return part_begin(grid.tiles, grid.row_bands, band); }
  int64_t first_row(int64_t tile) const { return part_begin(c.rows, grid.tiles, tile); }
  int rows_of(int64_t tile) const { return static_cast<int>(first_row(tile + 1) - first_row(tile)); }
  int64_t band_rows(int64_t band) const {
    return first_row(first_tile(band + 1)) - first_row(first_tile(band));
  }

  // A is read where it lies if nothing is to be applied on the way, and if there are few columns to reuse it
  // or the lines that a tile needs at a time do not crowd a few sets of the first cache: one for each of its
  // rows, or those of the columns that it fetches ahead. A low tile would use too little of a column's line.
  bool a_in_place() const {
    constexpr int64_t kWayBytes = 4096, kMostLines = 7;  // of a set, which holds 8
    constexpr int kLeastRows = 8;
    if (!prologue.empty() || (a.col_stride != 1 && a.row_stride != 1)) return false;
    if (grid.panels <= 2) return true;
    if (a.col_stride != 1 && kernel.rows < kLeastRows) return false;
    const int64_t stride = a.col_stride == 1 ? a.row_stride : a.col_stride;
    const int64_t lines = a.col_stride == 1 ? std::min<int64_t>(kernel.rows, a.rows) : kFetchedAhead;
    return lines * std::gcd(stride * static_cast<int64_t>(sizeof(T)), kWayBytes) <= kMostLines * kWayBytes;
  }

  // Packs a tile of A into its place in the strip of a band.
  void pack_tile(int64_t t, Terms terms, int64_t row0, T* strip) const {
    const int64_t row = first_row(t);
    kernel.pack_a({a.data + row * a.row_stride + terms.begin * a.col_stride, a.row_stride, a.col_stride,
                   rows_of(t), terms.count, prologue.scale ? prologue.scale + terms.begin : nullptr,
                   prologue.shift ? prologue.shift + terms.begin : nullptr, prologue.relu,
                   strip + (row - row0) * terms.count});
  }

  // Adds a run of the sum to the tiles of a band in column panel j. `strip` holds the band's rows of A, or is
  // null where they are read in place: then the `first` panel to meet them asks for the next tile's, as
  // memory is slow to come from so many rows at once.
  void run_panel(int64_t band, int64_t j, bool first, Terms terms, const T* strip, const T* panel,
                 const Panels<T>& form) const {
    // Of short reads a row apart, no hardware guesses the next.
    const bool fetch_b = form.in_place && form.row > grid.width;
    const bool fetch_columns = !fetch_b && !strip && a.col_stride != 1;
    const bool fetch_rows = !fetch_b && !strip && first && a.row_stride == terms.count;
    const int64_t col = j * grid.width, row0 = first_row(first_tile(band));
    GemmTile<T> tile{};
    tile.b = panel;
    tile.runs = 1;
    tile.depth = terms.count;
    tile.b_row = form.row;
    tile.b_masked = form.in_place;
    if (fetch_columns) tile.ahead_row = a.col_stride;
    if (fetch_b) {
      tile.ahead = panel + kFetchedAhead * form.row;
      tile.ahead_row = form.row;
    }
    tile.c_row = c.row_stride;
    tile.cols = static_cast<int>(std::min(grid.width, c.cols - col));
    tile.accumulate = terms.begin > 0;
    tile.finish = terms.begin + terms.count >= a.cols;
    tile.bias = epilogue.bias ? epilogue.bias + col : nullptr;
    tile.relu = epilogue.relu;
    if (mean) {
      tile.mean = mean + band * c.cols + col;
      tile.sum_squares = squares + band * c.cols + col;
    }
    for (int64_t t = first_tile(band); t < first_tile(band + 1); ++t) {
      const int64_t row = first_row(t);
      tile.rows = rows_of(t);
      tile.a = strip ? strip + (row - row0) * terms.count
                     : a.data + row * a.row_stride + terms.begin * a.col_stride;
      if (fetch_columns) tile.ahead = tile.a + kFetchedAhead * a.col_stride;
      if (fetch_rows)
        tile.ahead = row + 2 * tile.rows <= a.rows ? tile.a + tile.rows * a.row_stride : nullptr;
      tile.a_row = strip ? 1 : a.row_stride;
      tile.a_col = strip ? tile.rows : a.col_stride;
      tile.c = c.data + row * c.row_stride + col;
      if (epilogue.residual.data) {
        tile.residual = epilogue.residual.data + row * epilogue.residual.row_stride + col;
        tile.residual_row = epilogue.residual.row_stride;
      }
      tile.seen = row - row0;
      kernel.tile(tile);
    }
  }

  // Adds a run of the sum to one chunk of C. `panels` begin with the run and with the chunk.
  void run_block(int64_t band, int64_t col_band, Terms terms, const Panels<T>& panels) const {
    Buffer<T> strip;
    if (!a_in_place()) {
      strip = Buffer<T>(band_rows(band) * terms.count);
      for (int64_t t = first_tile(band); t < first_tile(band + 1); ++t)
        pack_tile(t, terms, first_row(first_tile(band)), strip.get());
    }
    const int64_t first = first_panel(col_band);
    for (int64_t j = first; j < first_panel(col_band + 1); ++j)
      run_panel(band, j, j == first, terms, strip.get(), panels.data + (j - first) * panels.next, panels);
  }

  // From a B whose panels, all of them, are ready.
  void run_all(const Panels<T>& panels, double ns) const {
    parallel_for(grid.chunks(), ns, [&](int64_t chunk) {
      const int64_t band = chunk / grid.col_bands, col_band = chunk % grid.col_bands;
      for (int64_t i = 0; i < runs(); ++i) {
        Panels<T> here = panels;
        here.data += first_panel(col_band) * panels.next + terms(i).begin * panels.row;
        run_block(band, col_band, terms(i), here);
      }
    });
  }

  // Takes B a block at a time, which all bands use up before the next one: it comes from memory once. Unless
  // it is read in place, it is packed into a buffer that stays in the second cache.
  void run_bands(MatrixView<const T> b, bool b_in_place, double ns) const {
    Buffer<T> block(b_in_place ? 0 : grid.most_panels() * grid.width * most_terms());
    for (int64_t col_band = 0; col_band < grid.col_bands; ++col_band) {
      const int64_t first = first_panel(col_band), count = first_panel(col_band + 1) - first;
      for (int64_t i = 0; i < runs(); ++i) {
        const Terms run = terms(i);
        const MatrixView<const T> rows = rows_of_b(b, run);
        if (!b_in_place) pack_panels(kernel, rows, first, count, block.get());
        const Panels<T> panels =
            b_in_place ? Panels<T>{rows.data + first * grid.width, grid.width, b.row_stride, true}
                       : Panels<T>{block.get(), grid.width * run.count, grid.width, false};
        parallel_for(grid.row_bands, ns / static_cast<double>(grid.col_bands * runs()),
                     [&](int64_t band) { run_block(band, col_band, run, panels); });
      }
    }
  }

  // Each chunk takes some columns of B, one panel after the other, through all rows of A. A panel is read
  // where it lies or packed just before, to be found in the first caches.
  void run_columns(MatrixView<const T> b, bool b_in_place, double ns) const {
    Buffer<T> strip;
    if (!a_in_place()) strip = Buffer<T>(a.rows * most_terms());
    for (int64_t i = 0; i < runs(); ++i) {
      const Terms run = terms(i);
      const MatrixView<const T> rows = rows_of_b(b, run);
      if (strip.get()) {
        const double bytes = 2.0 * sizeof(T) * static_cast<double>(a.rows * run.count);
        parallel_for(grid.tiles, bytes / kBytesPerNs, [&](int64_t t) { pack_tile(t, run, 0, strip.get()); });
      }
      parallel_for(grid.col_bands, ns / static_cast<double>(runs()), [&](int64_t col_band) {
        Buffer<T> packed(b_in_place ? 0 : grid.width * run.count);
        for (int64_t j = first_panel(col_band); j < first_panel(col_band + 1); ++j) {
          if (!b_in_place) pack_panel(kernel, rows, j, packed.get());
          const Panels<T> panel = b_in_place ? Panels<T>{rows.data + j * grid.width, 0, b.row_stride, true}
                                             : Panels<T>{packed.get(), 0, grid.width, false};
          run_panel(0, j, j == first_panel(col_band), run, strip.get(), panel.data, panel);
        }
      });
    }
  }

  static MatrixView<const T> rows_of_b(MatrixView<const T> b, Terms terms) {
    return {b.data + terms.begin * b.row_stride, terms.count, b.cols, b.row_stride, b.col_stride};
  }

  void join_statistics() const {
    std::vector<int64_t> rows;
    for (int64_t band = 0; band < grid.row_bands; ++band) rows.push_back(band_rows(band));
    gemm_join_statistics(mean, squares, rows.data(), grid.row_bands, c.cols, epilogue);
  }
};

// Calls run(product, estimated nanoseconds) and joins the statistics that it leaves.
template <class T, class Run>
void product_of(const GemmKernel<T>& kernel, const Grid& grid, MatrixView<const T> a, MatrixView<T> c,
                const Prologue<T>& prologue, const Epilogue<T>& epilogue, Run run) {
  const int64_t count = epilogue.mean ? grid.row_bands * c.cols : 0;
  const Buffer<T> statistics(2 * count);
  const Product<T> product{
      kernel, grid, a, c, prologue, epilogue, statistics.get(), statistics.get() + count};
  run(product, flops_of(c, a.cols) / kFlopsPerNs);
  if (count) product.join_statistics();
}

// Dot products along memory, for a B whose columns are contiguous: it need not be rearranged. The tile kernel
// finishes them, with a sum of no terms.
template <class T>
void run_dot(const GemmKernel<T>& kernel, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
             const Epilogue<T>& epilogue) {
  constexpr int64_t kPanelBytes = 16 << 10, kLeastCols = 8,
                    kBandRows = 32;  // B's columns stay in the first cache
  const int64_t k = a.cols;
  const int64_t fitting = kPanelBytes / static_cast<int64_t>(sizeof(T)) / k / kLeastCols * kLeastCols;
  const int64_t width = std::clamp<int64_t>(fitting, kLeastCols, kernel.cols);
  const int64_t panels = ceil_div(c.cols, width), bands = ceil_div(c.rows, kBandRows);
  const bool finish = epilogue.bias || epilogue.residual.data || epilogue.relu;
  const auto chunk = [&](int64_t i) {
    const int64_t col = i / bands * width, row0 = part_begin(c.rows, bands, i % bands);
    const int64_t row1 = part_begin(c.rows, bands, i % bands + 1);
    const int cols = static_cast<int>(std::min(width, c.cols - col));
    T* out = c.data + row0 * c.row_stride + col;
    kernel.dot({a.data + row0 * a.row_stride, b.data + col * b.col_stride, a.row_stride, b.col_stride, k,
                static_cast<int>(row1 - row0), cols, out, c.row_stride});
    if (!finish) return;
    for (int64_t row = row0; row < row1; row += kernel.rows) {
      GemmTile<T> tile{};
      tile.c = c.data + row * c.row_stride + col;
      tile.c_row = c.row_stride;
      tile.rows = static_cast<int>(std::min<int64_t>(kernel.rows, row1 - row));
      tile.cols = cols;
      tile.accumulate = tile.finish = true;
      tile.bias = epilogue.bias ? epilogue.bias + col : nullptr;
      if (epilogue.residual.data) {
        tile.residual = epilogue.residual.data + row * epilogue.residual.row_stride + col;
        tile.residual_row = epilogue.residual.row_stride;
      }
      tile.relu = epilogue.relu;
      kernel.tile(tile);
    }
  };
  const double bytes = sizeof(T) * static_cast<double>(k) * static_cast<double>(c.cols);
  parallel_for(panels * bands, std::max(bytes / kBytesPerNs, flops_of(c, k) / kFlopsPerNs), chunk);
}

// Whether dot products along contiguous rows of A and columns of B beat tiles, in cycles as measured with
// AVX-512: a dot product ends by adding up the lanes of a register, and the last register of a tile may be
// half empty. B is rearranged for tiles if its columns are contiguous, for dot products if they are not.
bool dots_pay(int64_t m, int64_t n, int64_t k, int64_t lanes, bool contiguous) {
  const double rows = static_cast<double>(m), cols = static_cast<double>(n), depth = static_cast<double>(k);
  const double steps = static_cast<double>(ceil_div(k, lanes));
  const double registers = static_cast<double>(ceil_div(n, lanes));
  const double rearranging = contiguous ? -0.5 : 0.5;
  constexpr int64_t kMostTurned = 8192;  // one thread rearranges all of B
  if (!contiguous && k > kMostTurned) return false;
  return rows * cols * (1.05 * steps + 1.5) + rearranging * cols * depth < rows * registers * depth;
}

}  // namespace

template <class T>
void gemm_join_statistics(const T* mean, const T* sum_squares, const int64_t* rows, int64_t parts, int64_t n,
                          const Epilogue<T>& epilogue) {
  double* const total_mean = epilogue.mean;
  double* const total_squares = epilogue.sum_squares;
  std::fill_n(total_mean, n, 0.0);
  std::fill_n(total_squares, n, 0.0);
  double seen = 0;
  for (int64_t i = 0; i < parts; ++i, mean += n, sum_squares += n) {
    const double count = static_cast<double>(rows[i]), share = count / (seen + count);
    for (int64_t j = 0; j < n; ++j) {
      const double delta = static_cast<double>(mean[j]) - total_mean[j];
      total_mean[j] += delta * share;
      total_squares[j] += static_cast<double>(sum_squares[j]) + delta * delta * seen * share;
    }
    seen += count;
  }
}

template <class T>
PackedMatrix<T> gemm_pack(MatrixView<const T> b) {
  const GemmKernel<T> kernel = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t panels = ceil_div(b.cols, kernel.cols);
  PackedMatrix<T> packed{Buffer<T>(panels * kernel.cols * b.rows), b.rows, b.cols, kernel.cols};
  pack_panels(kernel, b, 0, panels, packed.data.get());
  return packed;
}

template <class T>
void gemm(MatrixView<const T> a, const PackedMatrix<T>& b, MatrixView<T> c, const Prologue<T>& prologue,
          const Epilogue<T>& epilogue) {
  if (c.rows == 0 || c.cols == 0) return;
  const GemmKernel<T> kernel = FASTNN_DISPATCH(gemm_kernel<T>)();
  const Panels<T> panels{b.data.get(), b.width * b.rows, b.width, false};
  product_of(kernel, grid_of_rows(c.rows, c.cols, a.cols, kernel, b.width), a, c, prologue, epilogue,
             [&](const Product<T>& product, double ns) { product.run_all(panels, ns); });
}

template <class T>
void gemm(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c, const Prologue<T>& prologue,
          const Epilogue<T>& epilogue) {
  if (c.rows == 0 || c.cols == 0) return;
  const GemmKernel<T> kernel = FASTNN_DISPATCH(gemm_kernel<T>)();
  // A panel of B is read where it lies if its rows follow each other closely, or if so few rows of A meet it
  // that packing it would not pay.
  constexpr int64_t kFewRows = 384;
  const bool close = std::max(b.cols, b.row_stride) <= kernel.cols;
  const bool in_place = b.col_stride == 1 && (close || c.rows <= kFewRows);
  const bool wide = in_place && a.rows <= kernel.rows && !epilogue.mean;
  const bool columns = b.row_stride == 1 && (b.col_stride != 1 || b.cols == 1);  // of B are contiguous
  const bool dots = a.col_stride == 1 && a.cols > 0 && prologue.empty() && !epilogue.mean &&
                    (columns || b.col_stride == 1) && dots_pay(a.rows, b.cols, a.cols, kernel.lanes, columns);
  const auto rows_grid = [&](int64_t width) { return grid_of_rows(c.rows, c.cols, a.cols, kernel, width); };
  if (dots && columns) {
    run_dot<T>(kernel, a, b, c, epilogue);
  } else if (dots) {
    const int64_t k = b.rows;
    const Buffer<T> turned(b.cols * k);
    kernel.pack_b({b.data, 1, b.row_stride, static_cast<int>(k), static_cast<int>(k), b.cols, turned.get()});
    run_dot<T>(kernel, a, row_major<const T>(turned.get(), b.cols, k).transposed(), c, epilogue);
  } else if (!wide && by_columns(c.rows, c.cols, kernel.cols)) {
    product_of(kernel, grid_of_columns(c.rows, c.cols, kernel.rows, kernel.cols), a, c, prologue, epilogue,
               [&](const Product<T>& product, double ns) { product.run_columns(b, in_place, ns); });
  } else if (wide) {
    const int64_t width = kernel.wide_cols(static_cast<int>(a.rows));
    const Panels<T> panels{b.data, width, b.row_stride, true};
    product_of(kernel, rows_grid(width), a, c, prologue, epilogue,
               [&](const Product<T>& product, double ns) { product.run_all(panels, ns); });
  } else {
    product_of(kernel, rows_grid(kernel.cols), a, c, prologue, epilogue,
               [&](const Product<T>& product, double ns) { product.run_bands(b, in_place, ns); });
  }
}

template <class T>
void column_sums(MatrixView<const T> a, T* out) {
  constexpr int64_t kChunkRows = 1024;
  const int64_t chunks = ceil_div(a.rows, kChunkRows), most = ceil_div(a.rows, std::max<int64_t>(1, chunks));
  Buffer<T> ones(std::max(most, chunks));
  std::fill_n(ones.get(), std::max(most, chunks), T(1));
  if (chunks <= 1) return gemm<T>(row_major<const T>(ones.get(), 1, a.rows), a, row_major(out, 1, a.cols));
  Buffer<T> sums(chunks * a.cols);
  const double bytes = sizeof(T) * static_cast<double>(a.rows) * static_cast<double>(a.cols);
  parallel_for(chunks, bytes / kBytesPerNs, [&](int64_t chunk) {
    MatrixView<const T> band = a;
    const int64_t first = part_begin(a.rows, chunks, chunk);
    band.rows = part_begin(a.rows, chunks, chunk + 1) - first;
    band.data += first * a.row_stride;
    gemm<T>(row_major<const T>(ones.get(), 1, band.rows), band,
            row_major(sums.get() + chunk * a.cols, 1, a.cols));
  });
  gemm<T>(row_major<const T>(ones.get(), 1, chunks), row_major<const T>(sums.get(), chunks, a.cols),
          row_major(out, 1, a.cols));
}

#define FASTNN_X(T)                                                                                  \
  template PackedMatrix<T> gemm_pack(MatrixView<const T>);                                           \
  template void gemm(MatrixView<const T>, MatrixView<const T>, MatrixView<T>, const Prologue<T>&,    \
                     const Epilogue<T>&);                                                            \
  template void gemm(MatrixView<const T>, const PackedMatrix<T>&, MatrixView<T>, const Prologue<T>&, \
                     const Epilogue<T>&);                                                            \
  template void gemm_join_statistics(const T*, const T*, const int64_t*, int64_t, int64_t,           \
                                     const Epilogue<T>&);                                            \
  template void column_sums(MatrixView<const T>, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
