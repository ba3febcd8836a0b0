// Direct convolution, forward and backward to the input: implicit GEMM.
//
// The taps of an output pixel along a row of gathered scratch are KW * C contiguous numbers, so a product of
// matrices needs no matrix of patches: output pixels are the rows of a register tile, and every row of taps
// is a run of the micro-kernel.
#include "fastnn/ops/conv2d/conv2d_direct.h"

#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kFilterBytes = 24 * 1024;  // of filters that stay in the first cache

// The sum over taps, cut for the micro-kernel: runs of contiguous numbers, and blocks of runs whose filters,
// `width` columns of them, stay in the first cache while pixels pass by.
struct Runs {
  struct Block {
    int64_t depth;
    int64_t begin;                              // of the sum
    std::vector<int64_t> row, pixels, filters;  // of each run: row of taps, offsets in scratch and in filters
  };
  std::vector<Block> blocks;

  Runs(const TapAxis& h, const TapAxis& v, int64_t channels, int64_t pitch, int64_t row_size, int64_t width,
       int64_t most) {
    // Neighbouring taps along a row join into one run.
    const int64_t joined = v.step == 1 && pitch == channels ? v.taps : 1;
    const int64_t length = joined * channels, parts = ceil_div(length, most);
    const int64_t count = h.taps * ceil_div(v.taps, joined);
    const int64_t together = std::max<int64_t>(most / length, 1);  // runs a block
    const int64_t groups = ceil_div(count, together);
    for (int64_t i = 0; i < groups; ++i) {
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t begin = part_begin(count, groups, i), end = part_begin(count, groups, i + 1);
        const int64_t skip = part_begin(length, parts, part);
        Block block{part_begin(length, parts, part + 1) - skip, begin * length + skip, {}, {}, {}};
        for (int64_t run = begin; run < end; ++run) {
          const int64_t tap = run * joined;
          block.row.push_back(tap / v.taps);
          block.pixels.push_back(tap / v.taps * h.step * row_size + tap % v.taps * v.step * pitch + skip);
          block.filters.push_back((run - begin) * length * width);
        }
        blocks.push_back(block);
      }
    }
  }
};

// Where the tiles of a row begin, and where the last one ends.
std::vector<int64_t> equal_parts(int64_t total, int64_t most) {
  const int64_t parts = ceil_div(total, most);
  std::vector<int64_t> begins;
  for (int64_t i = 0; i <= parts; ++i) begins.push_back(part_begin(total, parts, i));
  return begins;
}

template <class T>
struct Direct {
  const Correlation<T>& sum;
  const Prologue<T>& prologue;
  const Epilogue<T>& epilogue;
  const KeptAs& kept;
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  Conv2dKernel<T> conv = FASTNN_DISPATCH(conv2d_kernel<T>)();
  int64_t in = sum.x.shape[1] / sum.groups;   // channels of a group
  int64_t out = sum.y.shape[1] / sum.groups;  // filters of a group
  int64_t taps = sum.h.taps * sum.v.taps;
  const T* filters = nullptr;         // as the kernels read them
  Buffer<T> mean = {}, squares = {};  // statistics of each piece (pieces, groups * out)

  double flops() const {
    return 2.0 * static_cast<double>(sum.y.size()) * static_cast<double>(in) * static_cast<double>(taps);
  }

  // Finishes a tile that is pixels [first, first + rows) of an output row.
  void set_output(GemmTile<T>& tile, int64_t n, int64_t i, int64_t first, int64_t channel) const {
    const TensorView<T>& y = sum.y;
    tile.c = y.data + n * y.stride[0] + i * y.stride[2] + first * y.stride[3] + channel;
    tile.c_row = y.stride[3];
    tile.finish = true;
    tile.bias = epilogue.bias ? epilogue.bias + channel : nullptr;
    if (epilogue.residual.data) {
      const int64_t pixel = epilogue.residual.row_stride;
      const int64_t line = sum.residual_line ? sum.residual_line : sum.v.out * pixel;
      tile.residual = epilogue.residual.data + (n * sum.h.out + i) * line + first * pixel + channel;
      tile.residual_row = pixel;
    }
    tile.relu = epilogue.relu;
  }

  void set_statistics(GemmTile<T>& tile, int64_t piece, int64_t seen, int64_t channel) const {
    if (!epilogue.mean) return;
    tile.mean = mean.get() + piece * sum.y.shape[1] + channel;
    tile.sum_squares = squares.get() + piece * sum.y.shape[1] + channel;
    tile.seen = seen;
  }

  // What this thread will probably gather next, unless another group of the same pixels.
  LinesAhead<T> after(const Bands& bands, int64_t index, int64_t g, const GatherPlan<T>& plan) const {
    LinesAhead<T> ahead;
    const int64_t next = index + (g + num_threads()) / sum.groups;
    if (next > index && next < bands.pieces()) plan.add_ahead(sum.x, Piece(bands, next), ahead);
    return ahead;
  }

  // Runs fn(piece index, group) for all pieces, then joins their statistics.
  template <class Fn>
  void for_each_piece(const Bands& bands, int64_t groups, Fn&& fn) {
    const int64_t channels = sum.y.shape[1];
    if (epilogue.mean) {
      mean = Buffer<T>(bands.pieces() * channels);
      squares = Buffer<T>(bands.pieces() * channels);
    }
    parallel_for(bands.pieces() * groups, flops() / kFlopsPerNs,
                 [&](int64_t chunk) { fn(chunk / groups, chunk % groups); });
    if (!epilogue.mean) return;
    join_statistics(bands, sum.v.out, mean.get(), squares.get(), channels, epilogue);
  }
};

// Filters with several channels: tiles of output pixels by filters.
template <class T>
struct DirectTiles : Direct<T> {
  using Base = Direct<T>;
  using Base::conv, Base::filters, Base::gemm, Base::in, Base::out, Base::sum, Base::taps;
  int64_t width = std::min<int64_t>(gemm.cols, round_up(out, gemm.lanes));  // of a panel of filters
  int64_t panels = ceil_div(out, width);
  GatherPlan<T> plan{sum.h, sum.v, in};
  Runs runs{sum.h,
            sum.v,
            in,
            plan.pitch,
            plan.row_size(),
            width,
            kFilterBytes / (width * static_cast<int64_t>(sizeof(T)))};
  // Without neighbouring taps, rows of pixels follow each other in scratch as in y: one long row of tiles.
  bool long_rows = sum.v.taps == 1 && sum.v.stride == 1 && sum.h.stride == 1 &&
                   (sum.h.out < 2 || sum.y.stride[2] == sum.v.out * sum.y.stride[3]);

  int64_t panel_size() const { return taps * in * width; }

  // Panels [group][panel][th][tw][in][width].
  Buffer<T> pack_filters() const {
    Buffer<T> packed(sum.groups * panels * panel_size());
    const double bytes = sizeof(T) * static_cast<double>(sum.groups * panels * panel_size());
    parallel_for(sum.groups * panels, bytes / kBytesPerNs, [&](int64_t chunk) {
      const int64_t g = chunk / panels, col = chunk % panels * width;
      const T* from = sum.w.data + g * sum.w.group + col * sum.w.out;
      T* to = packed.get() + chunk * panel_size();
      for (int64_t i = 0; i < sum.h.taps; ++i) {
        for (int64_t j = 0; j < sum.v.taps; ++j, to += in * width)
          gemm.pack_b({from + i * sum.w.h + j * sum.w.w, sum.w.in, sum.w.out, panel_cols(chunk % panels),
                       static_cast<int>(width), in, to});
      }
    });
    return packed;
  }

  int panel_cols(int64_t panel) const { return static_cast<int>(std::min(width, out - panel * width)); }

  void run_piece(const Bands& bands, int64_t index, int64_t g) const {
    const Piece piece(bands, index);
    Buffer<T> scratch(piece.images() * plan.image_size(piece.rows()));
    plan.gather(conv, sum.x, g * in, piece, this->prologue, scratch.get());

    const int64_t lines = long_rows ? 1 : piece.rows();
    const int64_t length = long_rows ? piece.rows() * sum.v.out : sum.v.out;
    const std::vector<int64_t> begins = equal_parts(length, gemm.rows);
    // Short sums: several panels of filters fit, and a pixel's results are written together.
    const int64_t fit = kFilterBytes / (panel_size() * static_cast<int64_t>(sizeof(T)));
    const int64_t together = std::max<int64_t>(fit, 1);
    LinesAhead<T> ahead = this->after(bands, index, g, plan);
    GemmTile<T> tile{};
    tile.a_row = sum.v.stride * plan.pitch;
    tile.a_col = 1;
    tile.b_row = width;
    for (int64_t j0 = 0; j0 < panels; j0 += together) {
      for (const Runs::Block& block : runs.blocks) {
        tile.depth = block.depth;
        tile.accumulate = &block != &runs.blocks.front();
        const bool last = &block == &runs.blocks.back();
        int64_t seen = 0;
        for (int64_t n = piece.n0; n < piece.n1; ++n) {
          const T* image = scratch.get() + (n - piece.n0) * plan.image_size(piece.rows());
          for (int64_t i = 0; i < lines; ++i) {
            set_runs(tile, block, piece.row0 + i);
            for (size_t t = 0; t + 1 < begins.size(); ++t) {
              const int64_t first = begins[t];
              tile.ahead = ahead.take(tile.runs * tile.depth);
              tile.rows = static_cast<int>(begins[t + 1] - first);
              tile.a = image + i * sum.h.stride * plan.row_size() + first * tile.a_row;
              for (int64_t j = j0; j < std::min(panels, j0 + together); ++j) {
                const int64_t channel = g * out + j * width;
                tile.b = filters + (g * panels + j) * panel_size() + block.begin * width;
                tile.cols = panel_cols(j);
                this->set_output(tile, n, piece.row0 + i, first, channel);
                this->set_statistics(tile, index, seen, channel);
                tile.finish = last;
                gemm.tile(tile);
              }
              seen += tile.rows;
            }
          }
        }
      }
    }
  }

  // The runs of a block that reach pixels from row `i` of outputs: those on padding would add nothing.
  void set_runs(GemmTile<T>& tile, const Runs::Block& block, int64_t i) const {
    size_t begin = 0, end = block.row.size();
    while (!long_rows && begin < end && !sum.h.on_pixels(i, block.row[begin])) ++begin;
    while (!long_rows && begin < end && !sum.h.on_pixels(i, block.row[end - 1])) --end;
    tile.runs = static_cast<int64_t>(end - begin);
    tile.a_offset = block.pixels.data() + begin;
    tile.b_offset = block.filters.data() + begin;
  }

  void run() {
    const KeptOr<Buffer<T>> packed(this->kept, [&] { return pack_filters(); });
    filters = packed->get();
    const Bands bands(sum.x.shape[0], sum.h, plan.row_size() * static_cast<int64_t>(sizeof(T)), sum.groups);
    this->for_each_piece(bands, sum.groups, [&](int64_t index, int64_t g) { run_piece(bands, index, g); });
  }
};

}  // namespace

template <class T>
void join_statistics(const Bands& bands, int64_t width, const T* mean, const T* sum_squares, int64_t channels,
                     const Epilogue<T>& epilogue) {
  std::vector<int64_t> pixels;
  for (int64_t i = 0; i < bands.pieces(); ++i) {
    const Piece piece(bands, i);
    pixels.push_back(piece.images() * piece.rows() * width);
  }
  gemm_join_statistics(mean, sum_squares, pixels.data(), bands.pieces(), channels, epilogue);
}

template <class T>
void correlate(const Correlation<T>& sum, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
               const KeptAs& kept) {
  if (sum.y.size() == 0) return;
  const int64_t in = sum.x.shape[1] / sum.groups, out = sum.y.shape[1] / sum.groups;
  const auto pointwise = [](const TapAxis& axis) {
    return axis.taps == 1 && axis.sample == 1 && axis.origin == 0 && axis.in == axis.out;
  };
  if (sum.groups == 1 && pointwise(sum.h) && pointwise(sum.v) && is_matrix(sum.x) && is_matrix(sum.y)) {
    const int64_t pixels = sum.x.shape[0] * sum.h.out * sum.v.out;
    const MatrixView<const T> w{sum.w.data, in, out, sum.w.in, sum.w.out};
    const MatrixView<const T> x = row_major(sum.x.data, pixels, in);
    const MatrixView<T> y = row_major(sum.y.data, pixels, out);
    if (!kept.kept) return gemm<T>(x, w, y, prologue, epilogue);
    gemm<T>(x, *KeptOr<PackedMatrix<T>>(kept, [&] { return gemm_pack(w); }), y, prologue, epilogue);
  } else {
    DirectTiles<T>{{sum, prologue, epilogue, kept}}.run();
  }
}

template void join_statistics(const Bands&, int64_t, const float*, const float*, int64_t,
                              const Epilogue<float>&);
template void join_statistics(const Bands&, int64_t, const double*, const double*, int64_t,
                              const Epilogue<double>&);
template void correlate(const Correlation<float>&, const Prologue<float>&, const Epilogue<float>&,
                        const KeptAs&);
template void correlate(const Correlation<double>&, const Prologue<double>&, const Epilogue<double>&,
                        const KeptAs&);

}  // namespace fastnn
