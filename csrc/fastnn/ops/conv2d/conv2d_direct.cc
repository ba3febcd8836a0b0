// Direct convolution, forward and backward to the input: implicit GEMM.
//
// The taps of an output pixel along a row of gathered scratch are KW * C contiguous numbers, so a product of
// matrices needs no matrix of patches: output pixels are the rows of a register tile, and every row of taps
// is a run of the micro-kernel.
#include "fastnn/ops/conv2d/conv2d_direct.h"

#include <memory>
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
    int64_t begin;                          // of the sum
    int64_t runs;                           // for each of them:
    const int64_t *row, *pixels, *filters;  // row of taps, offsets in scratch and in filters
  };
  std::vector<Block> blocks;
  Buffer<int64_t> lists;  // of all blocks, in one piece

  Runs(const TapAxis& h, const TapAxis& v, int64_t channels, int64_t pitch, int64_t row_size, int64_t width,
       int64_t most) {
    // Neighbouring taps along a row join into one run.
    const int64_t joined = v.step == 1 && pitch == channels ? v.taps : 1;
    const int64_t length = joined * channels, parts = ceil_div(length, most);
    const int64_t count = h.taps * ceil_div(v.taps, joined);
    const int64_t together = std::max<int64_t>(most / length, 1);  // runs a block
    const int64_t groups = ceil_div(count, together);
    blocks.reserve(static_cast<size_t>(groups * parts));
    lists = Buffer<int64_t>(3 * count * parts);
    int64_t* row = lists.get();
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t begin = part_begin(count, groups, group), end = part_begin(count, groups, group + 1);
        const int64_t skip = part_begin(length, parts, part);
        const int64_t runs = end - begin;
        int64_t *pixels = row + runs, *filters = pixels + runs;
        for (int64_t i = 0; i < runs; ++i) {
          const int64_t tap = (begin + i) * joined;
          row[i] = tap / v.taps;
          pixels[i] = row[i] * h.step * row_size + tap % v.taps * v.step * pitch + skip;
          filters[i] = i * length * width;
        }
        blocks.push_back(
            {part_begin(length, parts, part + 1) - skip, begin * length + skip, runs, row, pixels, filters});
        row = filters + runs;
      }
    }
  }
};

// Where the tiles of a row begin, and where the last one ends.
std::vector<int64_t> equal_parts(int64_t total, int64_t most) {
  const int64_t parts = ceil_div(total, most);
  std::vector<int64_t> begins(static_cast<size_t>(parts + 1));
  for (int64_t i = 0; i <= parts; ++i) begins[static_cast<size_t>(i)] = part_begin(total, parts, i);
  return begins;
}

// One sum: tiles of output pixels by filters.
template <class T>
struct SumTiles {
  SlidingSum<T> sum;
  const GatherPlan<T>& plan;
  int64_t groups;
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  int64_t in = plan.channels;             // channels of a group
  int64_t out = sum.y.shape[1] / groups;  // filters of a group
  int64_t taps = sum.h.taps * sum.v.taps;
  int64_t width = std::min<int64_t>(gemm.cols, round_up(out, gemm.lanes));  // of a panel of filters
  int64_t panels = ceil_div(out, width);
  Runs runs{sum.h,
            sum.v,
            in,
            plan.pitch,
            plan.row_size(),
            width,
            kFilterBytes / (width * static_cast<int64_t>(sizeof(T)))};
  // Where in scratch the first tap of a piece's first output is.
  int64_t corner = (sum.h.origin - plan.h.origin) / plan.h.sample * plan.row_size() +
                   (sum.v.origin - plan.v.origin) / plan.v.sample * plan.pitch;
  // Without neighbouring taps, rows of pixels may follow each other in scratch as in y: one long row of
  // tiles.
  bool long_rows = sum.v.taps == 1 && sum.v.stride == 1 && sum.h.stride == 1 &&
                   plan.row_size() == sum.v.out * plan.pitch &&
                   (sum.h.out < 2 || (sum.y.stride[2] == sum.v.out * sum.y.stride[3] &&
                                      sum.residual.stride[2] == sum.v.out * sum.residual.stride[3]));
  std::unique_ptr<KeptOr<Buffer<T>>> filters = {};  // as the kernels read them

  SumTiles(const SlidingSum<T>& whole, const GatherPlan<T>& gathered, int64_t group_count)
      : sum(whole), plan(gathered), groups(group_count) {}

  int64_t panel_size() const { return taps * in * width; }
  int panel_cols(int64_t panel) const { return static_cast<int>(std::min(width, out - panel * width)); }

  double flops() const {
    return 2.0 * static_cast<double>(sum.y.size()) * static_cast<double>(in) * static_cast<double>(taps);
  }

  // Panels [group][panel][th][tw][in][width].
  Buffer<T> pack_filters() const {
    Buffer<T> packed(groups * panels * panel_size());
    const double bytes = sizeof(T) * static_cast<double>(groups * panels * panel_size());
    parallel_for(groups * panels, bytes / kBytesPerNs, [&](int64_t chunk) {
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

  // The outputs of a piece in groups [g0, g1), each with its own images in scratch. `tile` has what all
  // share; its vectors are those of channel 0.
  void run(const Piece& piece, int64_t g0, int64_t g1, const T* scratch, GemmTile<T> tile,
           LinesAhead<T>& ahead) const {
    const int64_t rows = std::min(piece.row1, sum.h.out) - piece.row0;
    if (rows <= 0) return;
    const int64_t lines = long_rows ? 1 : rows;
    const int64_t length = long_rows ? rows * sum.v.out : sum.v.out;
    const std::vector<int64_t> begins = equal_parts(length, gemm.rows_of(width));
    // Short sums: several panels of filters fit, and a pixel's results are written together.
    const int64_t fit = kFilterBytes / (panel_size() * static_cast<int64_t>(sizeof(T)));
    const int64_t together = std::max<int64_t>(fit, 1);
    const GemmTile<T> all = tile;
    tile.a_row = sum.v.stride * plan.pitch;
    tile.a_col = 1;
    tile.b_row = width;
    tile.c_row = sum.y.stride[3];
    tile.residual_row = sum.residual.stride[3];
    const int64_t image_size = plan.image_size(piece.rows()), group_size = piece.images() * image_size;
    for (int64_t j0 = g0 * panels; j0 < g1 * panels; j0 += together) {
      for (const Runs::Block& block : runs.blocks) {
        tile.depth = block.depth;
        tile.accumulate = &block != &runs.blocks.front();
        tile.finish = &block == &runs.blocks.back();
        tile.seen = 0;
        for (int64_t n = piece.n0; n < piece.n1; ++n) {
          const T* image = scratch + corner + (n - piece.n0) * image_size;
          for (int64_t i = 0; i < lines; ++i) {
            const int64_t row = piece.row0 + i;
            set_runs(tile, block, row);
            for (size_t t = 0; t + 1 < begins.size(); ++t) {
              const int64_t first = begins[t];
              tile.rows = static_cast<int>(begins[t + 1] - first);
              const T* pixels = image + i * sum.h.stride * plan.row_size() + first * tile.a_row;
              int64_t g = j0 / panels, panel = j0 % panels;
              for (int64_t j = j0; j < std::min(g1 * panels, j0 + together); ++j) {
                const int64_t channel = g * out + panel * width;
                ahead.take(tile);
                tile.a = pixels + (g - g0) * group_size;
                tile.b = (*filters)->get() + j * panel_size() + block.begin * width;
                tile.cols = panel_cols(panel);
                tile.c = at(sum.y, n, row, first) + channel;
                if (all.bias) tile.bias = all.bias + channel;
                if (sum.residual.data) tile.residual = at(sum.residual, n, row, first) + channel;
                if (all.mean) tile.mean = all.mean + channel, tile.sum_squares = all.sum_squares + channel;
                gemm.tile(tile);
                if (++panel == panels) ++g, panel = 0;
              }
              tile.seen += tile.rows;
            }
          }
        }
      }
    }
  }

  template <class U>
  static U* at(const TensorView<U>& image, int64_t n, int64_t i, int64_t j) {
    return image.data + n * image.stride[0] + i * image.stride[2] + j * image.stride[3];
  }

  // The runs of a block that reach pixels from row `i` of outputs: those on padding would add nothing.
  void set_runs(GemmTile<T>& tile, const Runs::Block& block, int64_t i) const {
    int64_t begin = 0, end = block.runs;
    while (!long_rows && begin < end && !sum.h.on_pixels(i, block.row[begin])) ++begin;
    while (!long_rows && begin < end && !sum.h.on_pixels(i, block.row[end - 1])) --end;
    tile.runs = end - begin;
    tile.a_offset = block.pixels + begin;
    tile.b_offset = block.filters + begin;
  }
};

// All sums, piece by piece.
template <class T>
struct DirectTiles {
  const Correlation<T>& all;
  const Prologue<T>& prologue;
  const Epilogue<T>& epilogue;
  Kept* kept;
  Conv2dKernel<T> conv = FASTNN_DISPATCH(conv2d_kernel<T>)();
  int64_t in = all.x.shape[1] / all.groups;
  Bundles bundles{all.groups, in* static_cast<int64_t>(sizeof(T))};
  GatherPlan<T> plan = gather_plan();

  GatherPlan<T> gather_plan() const {
    std::vector<TapAxis> h, v;
    for (const SlidingSum<T>& sum : all.sums) h.push_back(sum.h), v.push_back(sum.v.whole());
    return {TapAxis::covering(h), TapAxis::covering(v), in};
  }

  // What this thread will probably gather next.
  LinesAhead<T> after(const Bands& bands, int64_t chunk) const {
    LinesAhead<T> ahead;
    const int64_t next = chunk + num_threads(), bundle = next % bundles.count();
    if (next < bands.pieces() * bundles.count()) {
      plan.add_ahead(all.x, Piece(bands, next / bundles.count()), ahead, bundles.begin(bundle) * in,
                     bundles.begin(bundle + 1) - bundles.begin(bundle));
    }
    return ahead;
  }

  void run() {
    std::vector<SumTiles<T>> sums;
    sums.reserve(all.sums.size());
    double flops = 0;
    for (SlidingSum<T> sum : all.sums) {
      sum.h = sum.h.sampled(plan.h.sample);
      sum.v = sum.v.sampled(plan.v.sample);
      SumTiles<T>& tiles = sums.emplace_back(sum, plan, all.groups);
      tiles.filters = std::make_unique<KeptOr<Buffer<T>>>(KeptAs{kept, sum.variant},
                                                          [&] { return tiles.pack_filters(); });
      flops += tiles.flops();
    }
    const int64_t row_bytes = bundles.most() * plan.row_size() * static_cast<int64_t>(sizeof(T));
    const Bands bands(all.x.shape[0], plan.h, row_bytes, bundles.count());
    const int64_t channels = all.sums.front().y.shape[1];
    const int64_t statistics = epilogue.mean ? bands.pieces() * channels : 0;
    Buffer<T> mean(statistics), squares(statistics);  // of each piece
    parallel_for(bands.pieces() * bundles.count(), flops / kFlopsPerNs, [&](int64_t chunk) {
      const int64_t index = chunk / bundles.count(), bundle = chunk % bundles.count();
      const int64_t g0 = bundles.begin(bundle), g1 = bundles.begin(bundle + 1);
      const Piece piece(bands, index);
      Buffer<T> scratch((g1 - g0) * piece.images() * plan.image_size(piece.rows()));
      plan.gather(conv, all.x, g0 * in, piece, prologue, scratch.get(), g1 - g0);
      LinesAhead<T> ahead = after(bands, chunk);
      GemmTile<T> tile{};
      tile.bias = epilogue.bias;
      tile.relu = epilogue.relu;
      if (epilogue.mean) {
        tile.mean = mean.get() + index * channels;
        tile.sum_squares = squares.get() + index * channels;
      }
      for (const SumTiles<T>& sum : sums) sum.run(piece, g0, g1, scratch.get(), tile, ahead);
    });
    if (epilogue.mean)
      join_statistics(bands, all.sums.front().v.out, mean.get(), squares.get(), channels, epilogue);
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
void correlate(const Correlation<T>& all, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
               Kept* kept) {
  if (all.sums.empty() || all.sums.front().y.size() == 0) return;
  const SlidingSum<T>& sum = all.sums.front();
  const auto pointwise = [](const TapAxis& axis) {
    return axis.taps == 1 && axis.sample == 1 && axis.origin == 0 && axis.in == axis.out;
  };
  if (all.sums.size() == 1 && all.groups == 1 && pointwise(sum.h) && pointwise(sum.v) && is_matrix(all.x) &&
      is_matrix(sum.y)) {
    const int64_t in = all.x.shape[1], out = sum.y.shape[1], pixels = all.x.shape[0] * sum.h.out * sum.v.out;
    const MatrixView<const T> w{sum.w.data, in, out, sum.w.in, sum.w.out};
    const MatrixView<const T> x = row_major(all.x.data, pixels, in);
    const MatrixView<T> y = row_major(sum.y.data, pixels, out);
    Epilogue<T> with_residual = epilogue;
    with_residual.residual = {sum.residual.data, pixels, out, row_stride(sum.residual), 1};
    if (!kept) return gemm<T>(x, w, y, prologue, with_residual);
    gemm<T>(x, *KeptOr<PackedMatrix<T>>({kept}, [&] { return gemm_pack(w); }), y, prologue, with_residual);
  } else {
    DirectTiles<T>{all, prologue, epilogue, kept}.run();
  }
}

template void join_statistics(const Bands&, int64_t, const float*, const float*, int64_t,
                              const Epilogue<float>&);
template void join_statistics(const Bands&, int64_t, const double*, const double*, int64_t,
                              const Epilogue<double>&);
template void correlate(const Correlation<float>&, const Prologue<float>&, const Epilogue<float>&, Kept*);
template void correlate(const Correlation<double>&, const Prologue<double>&, const Epilogue<double>&, Kept*);

}  // namespace fastnn
