// Two products over the same rows, the pixels: dx = dY W and dw^T = X^T dY. A piece of dY stays in cache for
// both, and so it does if it is not there yet: the norm behind turns the gradient of its own output into dY
// piece by piece, and the norm before makes X again from its own input, which it needs anyway.
#include "fastnn/ops/conv2d/conv2d_pointwise.h"

#include <algorithm>
#include <optional>

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

template <class T>
struct PointwiseBackward {
  PixelRows<T> dy, x;
  PackedMatrix<T> filters;  // (F, C)
  TensorView<T> dx, dw;
  T* db;
  const Epilogue<T>& epilogue;
  const NormReduction<T>* reduction;
  std::optional<PieceBackward<T>> behind;
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  int64_t in = dx.shape[1], out = filters.rows, rows = dy.matrix().rows;
  // Pieces are whole tiles, but for the last, and of about one size.
  int64_t row_tiles = ceil_div(rows, int64_t{gemm.rows});
  int64_t piece_tiles = std::max(kLeastTiles, kPieceElements / std::max(in, out) / gemm.rows);
  int64_t piece_rows = piece_tiles * gemm.rows;  // at the most
  int64_t pieces = ceil_div(row_tiles, piece_tiles);
  int64_t partial_size = (in + 1) * out;  // the last row is db
  int64_t most_parts = std::max<int64_t>(kPartialBytes / (partial_size * static_cast<int64_t>(sizeof(T))), 1);
  int64_t parts = dw.data ? even(std::min({pieces, kMostParts, most_parts})) : pieces;
  std::optional<PieceReduction<T>> before = {};
  Buffer<T> partial{dw.data ? parts * partial_size : 0};

  // Of an odd number of parts, one of two threads would have to take one more.
  static int64_t even(int64_t count) { return count > 1 ? count / 2 * 2 : count; }

  // The first row of a piece.
  int64_t piece_begin(int64_t i) const {
    return std::min(rows, part_begin(row_tiles, pieces, i) * int64_t{gemm.rows});
  }

  // Rows of scratch are set apart by a cache line: tiles of dw step from row to row, and those a power of two
  // apart share a few sets of the first cache.
  static int64_t pitch(int64_t channels) { return channels + 64 / static_cast<int64_t>(sizeof(T)); }

  T* partial_row(int64_t part, int64_t row) const { return partial.get() + part * partial_size + row * out; }

  // Whether X is made again.
  bool remakes() const { return dw.data && before && before->remakes(); }

  void run_part(int64_t part) const {
    Buffer<T> dy_scratch(behind ? piece_rows * pitch(out) : 0),
        x_scratch(remakes() ? piece_rows * pitch(in) : 0);
    const int64_t begin = part_begin(pieces, parts, part), end = part_begin(pieces, parts, part + 1);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = piece_begin(i), count = piece_begin(i + 1) - first;
      MatrixView<const T> gradient{dy.row(first), count, out, dy.row_stride(), 1};
      MatrixView<const T> pixels{x.row(first), count, in, x.row_stride(), 1};
      if (behind) {
        behind->run(gradient, first, dy_scratch.get(), pitch(out));
        gradient = {dy_scratch.get(), count, out, pitch(out), 1};
      }
      if (remakes()) {
        before->remake(first, count, x_scratch.get(), pitch(in));
        pixels = {x_scratch.get(), count, in, pitch(in), 1};
      }
      LinesAhead<T> ahead = after(i);
      if (dw.data) add_weights(part, pixels, gradient, i > begin, ahead);
      write_pixels(gradient, first, ahead);
      if (before) before->run(i, first, count, dx.data);
    }
  }

  // What the piece behind piece i reads: tiles fetch it while they multiply.
  LinesAhead<T> after(int64_t i) const {
    LinesAhead<T> ahead;
    if (i + 1 >= pieces) return ahead;
    const int64_t first = piece_begin(i + 1), end = piece_begin(i + 2);
    ahead.add(dy.row(first), dy.row(end - 1) + out);
    if (behind) ahead.add(behind->row(first), behind->row(end - 1) + out);
    if (before) {
      ahead.add(before->row(first), before->row(end - 1) + in);
    } else if (dw.data) {
      ahead.add(x.row(first), x.row(end - 1) + in);
    }
    return ahead;
  }

  // Rows of dx from `first` on.
  void write_pixels(const MatrixView<const T>& gradient, int64_t first, LinesAhead<T>& ahead) const {
    GemmTile<T> tile{};
    tile.runs = 1;
    tile.a_row = gradient.row_stride;
    tile.a_col = 1;
    tile.b_row = filters.width;
    tile.c_row = in;
    tile.relu = epilogue.relu;
    const int64_t runs = ceil_div(out, gemm.depth), tiles = ceil_div(gradient.rows, int64_t{gemm.rows});
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t term = part_begin(out, runs, run);
      tile.depth = part_begin(out, runs, run + 1) - term;
      tile.accumulate = run > 0;
      tile.finish = run + 1 == runs;
      for (int64_t col = 0; col < in; col += filters.width) {
        tile.b = filters.data.get() + col * out + term * filters.width;
        tile.cols = static_cast<int>(std::min<int64_t>(filters.width, in - col));
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t row = t * gemm.rows;
          tile.rows = static_cast<int>(std::min<int64_t>(gemm.rows, gradient.rows - row));
          tile.a = gradient.data + row * gradient.row_stride + term;
          tile.c = dx.data + (first + row) * in + col;
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

  void add_weights(int64_t part, const MatrixView<const T>& pixels, const MatrixView<const T>& gradient,
                   bool accumulate, LinesAhead<T>& ahead) const {
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

  void run() {
    if (reduction) before.emplace(*reduction, pieces);
    const double flops = (dw.data ? 4.0 : 2.0) * static_cast<double>(dx.size()) * static_cast<double>(out);
    parallel_for(parts, flops / kFlopsPerNs, [&](int64_t part) { run_part(part); });
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
void pointwise_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                        const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw, T* db,
                        const Epilogue<T>& epilogue, const NormReduction<T>* before,
                        const NormBackward<T>* behind) {
  const MatrixView<const T> filters{w.data, w.shape[0], w.shape[1], w.stride[0], w.stride[1]};
  PointwiseBackward<T> backward{PixelRows<T>(dy),
                                PixelRows<T>(dw.data ? x : TensorView<const T>{}),
                                gemm_pack(filters),
                                dx,
                                dw,
                                db,
                                epilogue,
                                before,
                                {}};
  if (behind) backward.behind.emplace(*behind);
  backward.run();
}

#define FASTNN_X(T)                                                                                        \
  template void pointwise_backward(const TensorView<const T>&, const TensorView<const T>&,                 \
                                   const TensorView<const T>&, const TensorView<T>&, const TensorView<T>&, \
                                   T*, const Epilogue<T>&, const NormReduction<T>*, const NormBackward<T>*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
