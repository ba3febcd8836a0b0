// The driver: cuts a product into blocks for the caches and chunks for the threads, by shape alone.
#include "fastnn/ops/gemm/gemm.h"

#include <algorithm>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

// Chunks of C: bands of row tiles by bands of panels.
struct Grid {
  int64_t tiles, panels;  // row tiles and column panels in all
  int64_t row_bands, col_bands;

  int64_t chunks() const { return row_bands * col_bands; }
};

Grid make_grid(int64_t m, int64_t n, int tile_rows, int tile_cols) {
  constexpr int64_t kBandTiles = 8;     // 8 x 14 rows x 256 of A: 112 KB, within the second cache
  constexpr int64_t kBandPanels = 16;   // wide bands repack A seldom
  constexpr int64_t kWantedChunks = 8;  // enough to balance a few threads
  Grid grid;
  grid.tiles = ceil_div(m, tile_rows);
  grid.panels = ceil_div(n, tile_cols);
  grid.col_bands = ceil_div(grid.panels, kBandPanels);
  const int64_t wanted = std::min(grid.tiles, ceil_div(kWantedChunks, grid.col_bands));
  grid.row_bands = std::max(wanted, ceil_div(grid.tiles, kBandTiles));
  return grid;
}

// Where the kernel finds the rows of B from some p on: `data` in the first panel, others follow.
template <class T>
struct Panels {
  const T* data;
  int64_t next, row;  // from a panel to the next, and from a row of a panel to the next
  bool masked;        // the last panel ends with the matrix, not with its width
};

// Packs `count` panels of B, from `first` on, one after another.
template <class T>
void pack_panels(const GemmKernel<T>& kernel, MatrixView<const T> b, int64_t first, int64_t count, T* out) {
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(b.rows * count * kernel.cols);
  parallel_for(count, bytes / kBytesPerNs, [&](int64_t j) {
    const int64_t col = (first + j) * kernel.cols;
    kernel.pack_b({b.data + col * b.col_stride, b.row_stride, b.col_stride,
                   static_cast<int>(std::min<int64_t>(kernel.cols, b.cols - col)), kernel.cols, b.rows,
                   out + j * kernel.cols * b.rows});
  });
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

  int64_t first_panel(int64_t col_band) const { return part_begin(grid.panels, grid.col_bands, col_band); }
  int64_t first_tile(int64_t band) const { return part_begin(grid.tiles, grid.row_bands, band); }
  int64_t first_row(int64_t tile) const { return part_begin(c.rows, grid.tiles, tile); }

  // A is read where it lies if packing it would not pay: nothing to apply on the way, and few columns to
  // reuse it or rows so close together that those of a tile do not crowd a few sets of the first cache.
  bool a_in_place() const {
    constexpr int64_t kCloseBytes = 2048;
    if (!prologue.empty()) return false;
    const bool close = a.col_stride == 1 && a.row_stride * static_cast<int64_t>(sizeof(T)) <= kCloseBytes;
    return close || ((a.col_stride == 1 || a.row_stride == 1) && grid.panels <= 2);
  }

  // Adds kernel.depth terms of the sum, from p0 on, to one chunk of C. `panels` begin at p0, with the
  // chunk's.
  void run_block(int64_t band, int64_t col_band, int64_t p0, const Panels<T>& panels) const {
    const int64_t tile0 = first_tile(band), tile1 = first_tile(band + 1), row0 = first_row(tile0);
    const int64_t panel0 = first_panel(col_band), panel1 = first_panel(col_band + 1);
    const int64_t k = a.cols, depth = std::min(kernel.depth, k - p0);
    const bool in_place = a_in_place();
    Buffer<T> strip;
    if (!in_place) {
      strip = Buffer<T>((first_row(tile1) - row0) * depth);
      for (int64_t t = tile0; t < tile1; ++t) {
        const int64_t row = first_row(t);
        kernel.pack_a({a.data + row * a.row_stride + p0 * a.col_stride, a.row_stride, a.col_stride,
                       static_cast<int>(first_row(t + 1) - row), depth,
                       prologue.scale ? prologue.scale + p0 : nullptr,
                       prologue.shift ? prologue.shift + p0 : nullptr, prologue.relu,
                       strip.get() + (row - row0) * depth});
      }
    }
    for (int64_t j = panel0; j < panel1; ++j) {
      const int64_t col = j * kernel.cols;
      for (int64_t t = tile0; t < tile1; ++t) {
        const int64_t row = first_row(t);
        const int rows = static_cast<int>(first_row(t + 1) - row);
        GemmTile<T> tile{};
        tile.a =
            in_place ? a.data + row * a.row_stride + p0 * a.col_stride : strip.get() + (row - row0) * depth;
        tile.b = panels.data + (j - panel0) * panels.next;
        // Rows that follow each other: the first pass over them asks for the next tile's.
        if (in_place && a.row_stride == depth && j == panel0 && row + 2 * rows <= a.rows)
          tile.ahead = tile.a + rows * a.row_stride;
        tile.runs = 1;
        tile.depth = depth;
        tile.a_row = in_place ? a.row_stride : 1;
        tile.a_col = in_place ? a.col_stride : rows;
        tile.b_row = panels.row;
        tile.b_masked = panels.masked;
        tile.c = c.data + row * c.row_stride + col;
        tile.c_row = c.row_stride;
        tile.rows = rows;
        tile.cols = static_cast<int>(std::min<int64_t>(kernel.cols, c.cols - col));
        tile.accumulate = p0 > 0;
        tile.finish = p0 + depth >= k;
        tile.bias = epilogue.bias ? epilogue.bias + col : nullptr;
        if (epilogue.residual.data) {
          tile.residual = epilogue.residual.data + row * epilogue.residual.row_stride + col;
          tile.residual_row = epilogue.residual.row_stride;
        }
        tile.relu = epilogue.relu;
        if (mean) {
          tile.mean = mean + band * c.cols + col;
          tile.sum_squares = squares + band * c.cols + col;
          tile.seen = row - row0;
        }
        kernel.tile(tile);
      }
    }
  }

  // From a B whose panels, all of them, are ready.
  void run_all(const Panels<T>& panels, double ns) const {
    parallel_for(grid.chunks(), ns, [&](int64_t chunk) {
      const int64_t band = chunk / grid.col_bands, col_band = chunk % grid.col_bands;
      Panels<T> here = panels;
      here.data += first_panel(col_band) * panels.next;
      for (int64_t p0 = 0; p0 < a.cols || p0 == 0; p0 += kernel.depth, here.data += kernel.depth * panels.row)
        run_block(band, col_band, p0, here);
    });
  }

  // Packs a block of B into a buffer that stays in the second cache, uses it up, and packs the next one
  // there: B comes from memory once, and its packed form never goes there.
  void run_packing(MatrixView<const T> b, double ns) const {
    const int64_t k = a.cols, depths = std::max<int64_t>(1, ceil_div(k, kernel.depth));
    const int64_t most = ceil_div(grid.panels, grid.col_bands);
    Buffer<T> block(most * kernel.cols * std::min(kernel.depth, k));
    for (int64_t col_band = 0; col_band < grid.col_bands; ++col_band) {
      const int64_t panel0 = first_panel(col_band), count = first_panel(col_band + 1) - panel0;
      for (int64_t i = 0; i < depths; ++i) {
        const int64_t p0 = i * kernel.depth, depth = std::min(kernel.depth, k - p0);
        const MatrixView<const T> rows{b.data + p0 * b.row_stride, depth, b.cols, b.row_stride, b.col_stride};
        pack_panels(kernel, rows, panel0, count, block.get());
        const Panels<T> panels{block.get(), kernel.cols * depth, kernel.cols, false};
        parallel_for(grid.row_bands, ns / static_cast<double>(grid.col_bands * depths),
                     [&](int64_t band) { run_block(band, col_band, p0, panels); });
      }
    }
  }

  void join_statistics() const {
    std::vector<int64_t> rows;
    for (int64_t band = 0; band < grid.row_bands; ++band) {
      rows.push_back(first_row(first_tile(band + 1)) - first_row(first_tile(band)));
    }
    gemm_join_statistics(mean, squares, rows.data(), grid.row_bands, c.cols, epilogue);
  }
};

// Calls run(product, estimated nanoseconds) and joins the statistics that it leaves.
template <class T, class Run>
void product_of(MatrixView<const T> a, MatrixView<T> c, const Prologue<T>& prologue,
                const Epilogue<T>& epilogue, Run run) {
  if (c.rows == 0 || c.cols == 0) return;
  const GemmKernel<T> kernel = FASTNN_DISPATCH(gemm_kernel<T>)();
  const Grid grid = make_grid(c.rows, c.cols, kernel.rows, kernel.cols);
  const int64_t count = epilogue.mean ? grid.row_bands * c.cols : 0;
  const Buffer<T> statistics(2 * count);
  const Product<T> product{kernel,
                           grid,
                           a,
                           c,
                           prologue,
                           epilogue,
                           count ? statistics.get() : nullptr,
                           count ? statistics.get() + count : nullptr};
  const double flops =
      2.0 * static_cast<double>(c.rows) * static_cast<double>(c.cols) * static_cast<double>(a.cols);
  run(product, flops / kFlopsPerNs);
  if (count) product.join_statistics();
}

// Few rows times a B whose columns are contiguous (a small batch through a linear layer): dot products along
// memory. The tile kernel then finishes them, with a sum of no terms.
template <class T>
void run_dot(const GemmKernel<T>& kernel, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
             const Epilogue<T>& epilogue) {
  const int64_t k = a.cols;
  const int width = kernel.cols;
  const bool finish = epilogue.bias || epilogue.residual.data || epilogue.relu;
  const auto chunk = [&](int64_t panel) {
    const int64_t col = panel * width;
    const int cols = static_cast<int>(std::min<int64_t>(width, c.cols - col));
    for (int64_t row = 0; row < c.rows; row += kernel.rows) {
      const int rows = static_cast<int>(std::min<int64_t>(kernel.rows, c.rows - row));
      T* out = c.data + row * c.row_stride + col;
      kernel.dot({a.data + row * a.row_stride, b.data + col * b.col_stride, a.row_stride, b.col_stride, k,
                  rows, cols, out, c.row_stride});
      if (!finish) continue;
      GemmTile<T> tile{};
      tile.c = out;
      tile.c_row = c.row_stride;
      tile.rows = rows;
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
  const double flops =
      2.0 * static_cast<double>(c.rows) * static_cast<double>(c.cols) * static_cast<double>(k);
  parallel_for(ceil_div(c.cols, width), std::max(bytes / kBytesPerNs, flops / kFlopsPerNs), chunk);
}

// Whether dot products along a B with contiguous columns beat tiles, in cycles a column as measured with
// AVX-512: a dot product ends by adding up the lanes of a register; tiles begin by rearranging B, and with
// few rows they are few accumulators, which wait for one another.
bool dots_pay(int64_t m, int64_t k, int lanes) {
  const double rows = static_cast<double>(m), depth = static_cast<double>(k), steps = depth / lanes;
  return rows * (1.25 * steps + 7) < 0.45 * depth + std::max(rows, 4.0) * steps;
}

}  // namespace

template <class T>
void gemm_join_statistics(const T* mean, const T* sum_squares, const int64_t* rows, int64_t parts, int64_t n,
                          const Epilogue<T>& epilogue) {
  for (int64_t j = 0; j < n; ++j) {
    double total_mean = 0, total_squares = 0, seen = 0;
    for (int64_t i = 0; i < parts; ++i) {
      const double count = static_cast<double>(rows[i]);
      const double delta = static_cast<double>(mean[i * n + j]) - total_mean;
      const double share = count / (seen + count);
      total_mean += delta * share;
      total_squares += static_cast<double>(sum_squares[i * n + j]) + delta * delta * seen * share;
      seen += count;
    }
    epilogue.mean[j] = total_mean;
    epilogue.sum_squares[j] = total_squares;
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
  const Panels<T> panels{b.data.get(), b.width * b.rows, b.width, false};
  product_of(a, c, prologue, epilogue,
             [&](const Product<T>& product, double ns) { product.run_all(panels, ns); });
}

template <class T>
void gemm(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c, const Prologue<T>& prologue,
          const Epilogue<T>& epilogue) {
  const GemmKernel<T> kernel = FASTNN_DISPATCH(gemm_kernel<T>)();
  // With one or two row tiles each panel is used once or twice: rearranging B would cost more than it saves.
  const bool few_rows = a.rows <= 2 * kernel.rows;
  if (few_rows && b.row_stride == 1 && b.col_stride != 1 && a.col_stride == 1 && c.rows > 0 &&
      prologue.empty() && !epilogue.mean && dots_pay(a.rows, a.cols, kernel.lanes)) {
    run_dot<T>(kernel, a, b, c, epilogue);
  } else if (few_rows && b.col_stride == 1) {
    const Panels<T> panels{b.data, kernel.cols, b.row_stride, true};
    product_of(a, c, prologue, epilogue,
               [&](const Product<T>& product, double ns) { product.run_all(panels, ns); });
  } else {
    product_of(a, c, prologue, epilogue,
               [&](const Product<T>& product, double ns) { product.run_packing(b, ns); });
  }
}

template void gemm_join_statistics(const float*, const float*, const int64_t*, int64_t, int64_t,
                                   const Epilogue<float>&);
template void gemm_join_statistics(const double*, const double*, const int64_t*, int64_t, int64_t,
                                   const Epilogue<double>&);
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

template void column_sums(MatrixView<const float>, float*);
template void column_sums(MatrixView<const double>, double*);
template PackedMatrix<float> gemm_pack(MatrixView<const float>);
template PackedMatrix<double> gemm_pack(MatrixView<const double>);
template void gemm(MatrixView<const float>, const PackedMatrix<float>&, MatrixView<float>,
                   const Prologue<float>&, const Epilogue<float>&);
template void gemm(MatrixView<const double>, const PackedMatrix<double>&, MatrixView<double>,
                   const Prologue<double>&, const Epilogue<double>&);
template void gemm(MatrixView<const float>, MatrixView<const float>, MatrixView<float>,
                   const Prologue<float>&, const Epilogue<float>&);
template void gemm(MatrixView<const double>, MatrixView<const double>, MatrixView<double>,
                   const Prologue<double>&, const Epilogue<double>&);

}  // namespace fastnn
