// Products over the same rows, the pixels: Y = X W^T on the way forward, dx = dY W and dw^T = X^T dY on the
// way back. A piece of dY stays in cache for both, and so it does if it is not there yet: the norm behind
// turns the gradient of its own output into dY piece by piece. Likewise the norm before makes X from its own
// input, which its gradient needs anyway.
#include "fastnn/ops/conv2d/conv2d_pointwise.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kPieceElements = 28 * 1024;  // of dy, or of dx: some such pieces fit into the second cache
constexpr int64_t kLeastTiles = 8;             // in rows of a piece: a depth that is worth a tile of dw
constexpr int64_t kMostParts = 16;
constexpr int64_t kPartialBytes = 8 << 20;  // partial results of dw in all; one is always there

// How rows of pixels are cut: whole tiles, but for the last, in pieces of about one size.
template <class T>
struct Pieces {
  int64_t rows, tile_rows;
  int64_t row_tiles = ceil_div(rows, tile_rows);
  int64_t tiles, most_rows = tiles * tile_rows;  // of a piece
  int64_t count = ceil_div(row_tiles, tiles);

  Pieces(int64_t rows, int64_t channels, const GemmKernel<T>& gemm)
      : rows(rows),
        tile_rows(gemm.rows),
        tiles(std::max(kLeastTiles, kPieceElements / channels / gemm.rows)) {}

  // The first row of a piece.
  int64_t begin(int64_t i) const { return std::min(rows, part_begin(row_tiles, count, i) * tile_rows); }
};

// Rows of scratch are set apart by a cache line: tiles of dw step from row to row, and those a power of two
// apart share a few sets of the first cache.
template <class T>
int64_t spread(int64_t channels) {
  return channels + 64 / static_cast<int64_t>(sizeof(T));
}

// Rows of pixels times a matrix.
template <class T>
struct PixelProduct {
  PackedMatrix<T> filters;
  TensorView<T> out;  // dense, channels last
  const Epilogue<T>& epilogue;
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  int64_t depth = filters.rows, cols = filters.cols;

  double flops(int64_t rows) const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(depth);
  }

  // Rows of the result from `first` on; their statistics, where those are wanted.
  void run(const MatrixView<const T>& pixels, int64_t first, LinesAhead<T>& ahead, T* mean = nullptr,
           T* sum_squares = nullptr) const {
    GemmTile<T> tile{};
    tile.runs = 1;
    tile.a_row = pixels.row_stride;
    tile.a_col = 1;
    tile.b_row = filters.width;
    tile.c_row = cols;
    tile.relu = epilogue.relu;
    const int64_t runs = ceil_div(depth, gemm.depth), tiles = ceil_div(pixels.rows, int64_t{gemm.rows});
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t term = part_begin(depth, runs, run);
      tile.depth = part_begin(depth, runs, run + 1) - term;
      tile.accumulate = run > 0;
      tile.finish = run + 1 == runs;
      for (int64_t col = 0; col < cols; col += filters.width) {
        tile.b = filters.data.get() + col * depth + term * filters.width;
        tile.cols = static_cast<int>(std::min<int64_t>(filters.width, cols - col));
        if (epilogue.bias) tile.bias = epilogue.bias + col;
        if (mean) tile.mean = mean + col, tile.sum_squares = sum_squares + col;
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t row = t * gemm.rows;
          tile.rows = static_cast<int>(std::min<int64_t>(gemm.rows, pixels.rows - row));
          tile.a = pixels.data + row * pixels.row_stride + term;
          tile.c = out.data + (first + row) * cols + col;
          tile.seen = row;
          if (epilogue.residual.data) {
            tile.residual = epilogue.residual.data + (first + row) * epilogue.residual.row_stride + col;
            tile.residual_row = epilogue.residual.row_stride;
          }
          tile.ahead = ahead.take(tile.depth);
          gemm.tile(tile);
        }
      }
    }
  }
};

template <class T>
struct PointwiseForward {
  PieceForward<T> norm;
  PixelProduct<T> product;

  void run() const {
    const int64_t in = product.depth, out = product.cols;
    const Pieces<T> pieces(product.out.size() / out, std::max(in, out), product.gemm);
    const Epilogue<T>& epilogue = product.epilogue;
    Buffer<T> statistics(epilogue.mean ? 2 * pieces.count * out : 0);
    T *mean = statistics.get(), *squares = mean + pieces.count * out;
    parallel_for(pieces.count, product.flops(pieces.rows) / kFlopsPerNs, [&](int64_t i) {
      const int64_t first = pieces.begin(i), count = pieces.begin(i + 1) - first;
      Buffer<T> pixels(count * spread<T>(in));
      norm.run(first, count, pixels.get(), spread<T>(in));
      LinesAhead<T> ahead;
      const int64_t next = i + 1;  // what this thread will probably read
      if (next < pieces.count)
        ahead.add(norm.row(pieces.begin(next)), norm.row(pieces.begin(next + 1) - 1) + in);
      const MatrixView<const T> rows{pixels.get(), count, in, spread<T>(in), 1};
      epilogue.mean ? product.run(rows, first, ahead, mean + i * out, squares + i * out)
                    : product.run(rows, first, ahead);
    });
    if (!epilogue.mean) return;
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < pieces.count; ++i) rows.push_back(pieces.begin(i + 1) - pieces.begin(i));
    gemm_join_statistics(mean, squares, rows.data(), pieces.count, out, epilogue);
  }
};

template <class T>
struct PointwiseBackward {
  PixelRows<T> dy, x;
  PixelProduct<T> data;  // dx, where it is wanted
  TensorView<T> dw;
  T* db;
  std::optional<PieceForward<T>> applied = {};  // makes x
  std::optional<PieceReduction<T>> before = {};
  std::optional<PieceBackward<T>> behind = {};
  int64_t in = data.cols, out = data.depth;
  Pieces<T> pieces{dy.matrix().rows, std::max(in, out), data.gemm};
  int64_t partial_size = (in + 1) * out;  // the last row is db
  int64_t most_parts = std::max<int64_t>(kPartialBytes / (partial_size * static_cast<int64_t>(sizeof(T))), 1);
  int64_t parts = dw.data ? even(std::min({pieces.count, kMostParts, most_parts})) : pieces.count;
  Buffer<T> partial{dw.data ? parts * partial_size : 0};

  // Of an odd number of parts, one of two threads would have to take one more.
  static int64_t even(int64_t count) { return count > 1 ? count / 2 * 2 : count; }

  T* partial_row(int64_t part, int64_t row) const { return partial.get() + part * partial_size + row * out; }

  void run_part(int64_t part) const {
    const int64_t dy_row = spread<T>(out), x_row = spread<T>(in);
    Buffer<T> dy_scratch(behind ? pieces.most_rows * dy_row : 0),
        x_scratch(applied ? pieces.most_rows * x_row : 0);
    const int64_t begin = part_begin(pieces.count, parts, part);
    const int64_t end = part_begin(pieces.count, parts, part + 1);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = pieces.begin(i), count = pieces.begin(i + 1) - first;
      MatrixView<const T> gradient{dy.row(first), count, out, dy.row_stride(), 1};
      MatrixView<const T> pixels{x.row(first), count, in, x.row_stride(), 1};
      if (behind) {
        behind->run(gradient, first, dy_scratch.get(), dy_row);
        gradient = {dy_scratch.get(), count, out, dy_row, 1};
      }
      if (applied) {
        applied->run(first, count, x_scratch.get(), x_row);
        pixels = {x_scratch.get(), count, in, x_row, 1};
      }
      LinesAhead<T> ahead = after(i);
      if (dw.data) add_weights(part, pixels, gradient, i > begin, ahead);
      if (data.out.data) data.run(gradient, first, ahead);
      if (before) before->run(i, first, count, data.out.data);
    }
  }

  // What the piece behind piece i reads: tiles fetch it while they multiply.
  LinesAhead<T> after(int64_t i) const {
    LinesAhead<T> ahead;
    if (i + 1 >= pieces.count) return ahead;
    const int64_t first = pieces.begin(i + 1), last = pieces.begin(i + 2) - 1;
    ahead.add(dy.row(first), dy.row(last) + out);
    if (behind) ahead.add(behind->row(first), behind->row(last) + out);
    if (before) {
      ahead.add(before->row(first), before->row(last) + in);
    } else if (applied) {
      ahead.add(applied->row(first), applied->row(last) + in);
    } else if (dw.data) {
      ahead.add(x.row(first), x.row(last) + in);
    }
    return ahead;
  }

  void add_weights(int64_t part, const MatrixView<const T>& pixels, const MatrixView<const T>& gradient,
                   bool accumulate, LinesAhead<T>& ahead) const {
    const GemmKernel<T>& gemm = data.gemm;
    const T one = 1;
    GemmTile<T> tile{};
    tile.runs = 1;
    tile.depth = gradient.rows;
    tile.a_row = 1;
    tile.b_row = gradient.row_stride;
    tile.b_masked = true;
    tile.c_row = out;
    tile.accumulate = accumulate;
    const int64_t tiles = ceil_div(in, int64_t{gemm.rows});
    for (int64_t col = 0; col < out; col += gemm.cols) {
      tile.b = gradient.data + col;
      tile.cols = static_cast<int>(std::min<int64_t>(gemm.cols, out - col));
      tile.a_col = pixels.row_stride;
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t channel = part_begin(in, tiles, t);
        tile.rows = static_cast<int>(part_begin(in, tiles, t + 1) - channel);
        tile.a = pixels.data + channel;
        tile.c = partial_row(part, channel) + col;
        tile.ahead = ahead.take(tile.depth);
        gemm.tile(tile);
      }
      if (!db) continue;
      tile.ahead = nullptr;
      tile.a = &one;  // db: the same sum with 1 for every pixel
      tile.a_col = 0;
      tile.rows = 1;
      tile.c = partial_row(part, in) + col;
      gemm.tile(tile);
    }
  }

  void run() const {
    const double products = (dw.data ? 1 : 0) + (data.out.data ? 1 : 0);
    parallel_for(parts, products * data.flops(dy.matrix().rows) / kFlopsPerNs,
                 [&](int64_t part) { run_part(part); });
    if (dw.data) join_gradients<T>(partial.get(), parts, 1, in, 1, out, dw.data, db);
    if (before) before->join();
  }
};

}  // namespace

bool pointwise_applies(const Conv2dSettings& settings) {
  const auto stays = [](const WindowAxis& a) {
    return a.kernel == 1 && a.stride == 1 && a.padding == 0 && a.overhang == 0;
  };
  return settings.groups == 1 && stays(settings.window.h) && stays(settings.window.w);
}

template <class T>
void pointwise_forward(const TensorView<const T>& x, const TensorView<const T>& w, const TensorView<T>& y,
                       const Epilogue<T>& epilogue, const BatchNorm<T>& norm) {
  const MatrixView<const T> filters{w.data, w.shape[1], w.shape[0], w.stride[1], w.stride[0]};
  PointwiseForward<T>{{norm, x}, {gemm_pack(filters), y, epilogue}}.run();
}

template <class T>
void pointwise_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                        const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw, T* db,
                        const Epilogue<T>& epilogue, const NormReduction<T>* before,
                        const NormBackward<T>* behind, const BatchNorm<T>* input_norm) {
  // What the norm before had written need not be read: its own input is, and makes it again.
  const bool remakes = before && !before->norm.residual.data;
  const bool reads = dw.data && !remakes && !input_norm;
  const MatrixView<const T> filters{w.data, w.shape[0], w.shape[1], w.stride[0], w.stride[1]};
  PointwiseBackward<T> backward{PixelRows<T>(dy),
                                PixelRows<T>(reads ? x : TensorView<const T>{}),
                                {gemm_pack(filters), dx, epilogue},
                                dw,
                                db};
  if (dw.data && remakes) {
    backward.applied.emplace(before->norm, before->x);
  } else if (dw.data && input_norm) {
    backward.applied.emplace(*input_norm, x);
  }
  if (before) backward.before.emplace(*before, backward.pieces.count);
  if (behind) backward.behind.emplace(*behind);
  backward.run();
}

#define FASTNN_X(T)                                                                                         \
  template void pointwise_forward(const TensorView<const T>&, const TensorView<const T>&,                   \
                                  const TensorView<T>&, const Epilogue<T>&, const BatchNorm<T>&);           \
  template void pointwise_backward(const TensorView<const T>&, const TensorView<const T>&,                  \
                                   const TensorView<const T>&, const TensorView<T>&, const TensorView<T>&,  \
                                   T*, const Epilogue<T>&, const NormReduction<T>*, const NormBackward<T>*, \
                                   const BatchNorm<T>*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
