// Direct convolution, forward and backward to the input: implicit GEMM.
//
// The taps of an output pixel along a row of gathered scratch are KW * C contiguous numbers, so a product of
// matrices needs no matrix of patches: output pixels are the rows of a register tile, and every row of taps
// is a run of the micro-kernel.
#include "fastnn/ops/conv2d/conv2d_direct.h"

#include <cstdlib>
#include <memory>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kFilterBytes = 24 * 1024;  // of filters that stay in the first cache

// The sum over taps, cut for the micro-kernel: runs of contiguous numbers, and blocks of runs whose filters,
// `width` columns of them, stay in the first cache while pixels pass by.
//
// Neighbouring taps of a row join into one run, and all outputs meet it; or, where padding is worth it,
// blocks are of one column of taps each, and only the outputs that meet that column at pixels sum it up.
struct Runs {
  struct Block {
    int64_t depth;
    TapAxis::Outputs outputs;               // of a row
    int64_t runs;                           // for each of them:
    const int64_t *row, *pixels, *filters;  // row of taps, offsets in scratch and in filters
  };
  std::vector<Block> blocks;
  Buffer<int64_t> lists;  // of all blocks, in one piece

  Runs(const TapAxis& h, const TapAxis& v, int64_t channels, int64_t pitch, int64_t row_size, int64_t width,
       int64_t most, bool long_rows, bool across) {
    const bool joins = v.step == 1 && pitch == channels;
    const Cut whole(h.taps * (joins ? 1 : v.taps), (joins ? v.taps : 1) * channels, most);
    const Cut column(h.taps, channels, most);
    int64_t met = 0;
    for (int64_t t = 0; t < v.taps; ++t) met += v.on_pixels(t).count();
    const int64_t apart = met * (h.taps * channels + column.blocks() * kVisit),
                  together = v.out * (h.taps * v.taps * channels + whole.blocks() * kVisit);
    // Runs of one tap are shorter, which takes back a few percent of what is left out.
    const bool split = across || (!long_rows && 20 * apart < 19 * together);
    const int64_t sets = split ? v.taps : 1, columns = split || joins ? 1 : v.taps;
    const Cut& cut = split ? column : whole;
    blocks.reserve(static_cast<size_t>(sets * cut.blocks()));
    lists = Buffer<int64_t>(3 * sets * cut.count * cut.parts);
    int64_t* row = lists.get();
    for (int64_t set = 0; set < sets; ++set) {
      for (int64_t group = 0; group < cut.groups; ++group) {
        for (int64_t part = 0; part < cut.parts; ++part) {
          const int64_t begin = part_begin(cut.count, cut.groups, group);
          const int64_t runs = part_begin(cut.count, cut.groups, group + 1) - begin;
          const int64_t skip = part_begin(cut.length, cut.parts, part);
          int64_t *pixels = row + runs, *filters = pixels + runs;
          for (int64_t i = 0; i < runs; ++i) {
            row[i] = (begin + i) / columns;
            const int64_t col = split ? set : (begin + i) % columns;
            pixels[i] = row[i] * h.step * row_size + col * v.step * pitch + skip;
            filters[i] = ((row[i] * v.taps + col) * channels + skip) * width;
          }
          blocks.push_back({part_begin(cut.length, cut.parts, part + 1) - skip,
                            split ? v.on_pixels(set) : TapAxis::Outputs{0, v.out}, runs, row, pixels,
                            filters});
          row = filters + runs;
        }
      }
    }
  }

 private:
  // Steps of a sum that take as long as to visit a tile once more.
  static constexpr int64_t kVisit = 4;

  // `count` runs of `length` terms in groups of neighbours by parts of the length, each of at most `most`
  // terms.
  struct Cut {
    int64_t count, length, parts, groups;

    Cut(int64_t run_count, int64_t run_length, int64_t most)
        : count(run_count), length(run_length), parts(ceil_div(length, most)), groups(0) {
      groups = groups_of(parts, most);
      for (int64_t finer = parts + 1; finer < 2 * parts + 4; ++finer) {
        if (finer <= length && groups_of(finer, most) * finer < groups * parts)
          parts = finer, groups = groups_of(finer, most);
      }
    }
    int64_t groups_of(int64_t cut, int64_t most) const {
      return ceil_div(count, std::max<int64_t>(most / ceil_div(length, cut), 1));
    }
    int64_t blocks() const { return groups * parts; }
  };
};

// Rows of a tile: outputs that a block's sum is for, or that are only begun or finished with it.
struct Span {
  int64_t first;
  int rows;
  bool sums;
};

// Cuts outputs [begin, end) into spans as equal as can be.
void add_spans(int64_t begin, int64_t end, int64_t most, bool sums, std::vector<Span>& spans) {
  const int64_t parts = ceil_div(end - begin, most);
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t first = part_begin(end - begin, parts, i), next = part_begin(end - begin, parts, i + 1);
    spans.push_back({begin + first, static_cast<int>(next - first), sums});
  }
}

// As many chunks as are wanted, and fewer where each would be so short that to begin it costs more than it
// balances.
int64_t chunks_worth(double work_ns) {
  constexpr double kChunkNs = 5000;
  return std::clamp(static_cast<int64_t>(work_ns / kChunkNs), int64_t{2}, kWantedChunks);
}

// One sum: tiles of output pixels by filters.
template <class T>
struct SumTiles {
  SlidingSum<T> sum;
  const GatherPlan<T>& plan;
  int64_t groups;
  bool across;  // a tile's rows are one pixel of several images, not several of one
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  int64_t in = plan.channels;             // channels of a group
  int64_t out = sum.y.shape[1] / groups;  // filters of a group
  int64_t taps = sum.h.taps * sum.v.taps;
  int64_t width = std::min<int64_t>(gemm.cols, round_up(out, gemm.lanes));  // of a panel of filters
  int64_t panels = ceil_div(out, width);
  // Where in scratch the first tap of a piece's first output is.
  int64_t corner = (sum.h.origin - plan.h.origin) / plan.h.sample * plan.row_size() +
                   (sum.v.origin - plan.v.origin) / plan.v.sample * plan.pitch;
  // Without neighbouring taps, rows of pixels may follow each other in scratch as in y: one long row of
  // tiles.
  bool long_rows = !across && sum.v.taps == 1 && sum.v.stride == 1 && sum.h.stride == 1 &&
                   plan.row_size() == sum.v.out * plan.pitch &&
                   (sum.h.out < 2 || (sum.y.stride[2] == sum.v.out * sum.y.stride[3] &&
                                      sum.residual.stride[2] == sum.v.out * sum.residual.stride[3]));
  Runs runs{sum.h,
            sum.v,
            in,
            plan.pitch,
            plan.row_size(),
            width,
            kFilterBytes / (width * static_cast<int64_t>(sizeof(T))),
            long_rows,
            across};
  std::unique_ptr<KeptOr<Buffer<T>>> filters = {};  // as the kernels read them

  SumTiles(const SlidingSum<T>& whole, const GatherPlan<T>& gathered, int64_t group_count, bool images)
      : sum(whole), plan(gathered), groups(group_count), across(images) {}

  int64_t panel_size() const { return taps * in * width; }
  int panel_cols(int64_t panel) const { return static_cast<int>(std::min(width, out - panel * width)); }

  double flops() const {
    return 2.0 * static_cast<double>(sum.y.size()) * static_cast<double>(in) * static_cast<double>(taps);
  }

  // Panels [group][panel][th][tw][in][width].
  Buffer<T> pack_filters() const {
    Buffer<T> packed(groups * panels * panel_size());
    const double bytes = sizeof(T) * static_cast<double>(groups * panels * panel_size());
    const bool dense = std::abs(sum.w.w) == 1 && std::abs(sum.w.h) == sum.v.taps && taps > 1;
    parallel_for(groups * panels, bytes / kBytesPerNs, [&](int64_t chunk) {
      const int64_t g = chunk / panels, col = chunk % panels * width;
      const T* from = sum.w.data + g * sum.w.group + col * sum.w.out;
      T* to = packed.get() + chunk * panel_size();
      if (dense) return pack_dense_taps(from, panel_cols(chunk % panels), to);
      for (int64_t i = 0; i < sum.h.taps; ++i) {
        for (int64_t j = 0; j < sum.v.taps; ++j, to += in * width)
          gemm.pack_b({from + i * sum.w.h + j * sum.w.w, sum.w.in, sum.w.out, panel_cols(chunk % panels),
                       static_cast<int>(width), in, to});
      }
    });
    return packed;
  }

  // The same where a filter's taps of a channel are neighbours in memory: all of a few channels are turned
  // at once, then each row goes to its tap.
  void pack_dense_taps(const T* from, int cols, T* to) const {
    constexpr int64_t kLine = 64 / sizeof(T), kChannelsAhead = 4;
    const SlidingSum<T>& s = sum;
    const int64_t lowest =
        std::min<int64_t>(0, (s.h.taps - 1) * s.w.h) + std::min<int64_t>(0, (s.v.taps - 1) * s.w.w);
    const int64_t tap_bytes = taps * width * static_cast<int64_t>(sizeof(T));
    const int64_t most = std::clamp<int64_t>(kFilterBytes / tap_bytes, 1, in);
    Buffer<T> turned(most * taps * width);
    for (int64_t c0 = 0; c0 < in; c0 += most) {
      const int64_t channels = std::min(most, in - c0);
      const int64_t at_once = s.w.in == taps ? channels : 1;
      for (int64_t c = 0; c < channels; c += at_once) {
        const T* channel = from + lowest + (c0 + c) * s.w.in;
        if (at_once == 1 && s.w.out == taps) {  // hardware does not follow short reads so far apart
          const T* ahead = channel + kChannelsAhead * s.w.in;
          for (int64_t i = 0; i < cols * taps; i += kLine) __builtin_prefetch(ahead + i);
        }
        gemm.pack_b({channel, 1, s.w.out, cols, static_cast<int>(width), at_once * taps,
                     turned.get() + c * taps * width});
      }
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t place = t / s.v.taps * s.w.h + t % s.v.taps * s.w.w - lowest;
        for (int64_t c = 0; c < channels; ++c)
          std::copy_n(turned.get() + (c * taps + place) * width, width, to + (t * in + c0 + c) * width);
      }
    }
  }

  // The outputs of a piece in groups [g0, g1), each with its own images in scratch: a share of their filters.
  // `tile` has what all share; its vectors are those of channel 0.
  void run(const Piece& piece, int64_t g0, int64_t g1, int64_t share, int64_t shares, const T* scratch,
           GemmTile<T> tile, LinesAhead<T>& ahead) const {
    const int64_t rows = across ? sum.h.out : std::min(piece.row1, sum.h.out) - piece.row0;
    if (rows <= 0) return;
    const int64_t image_size = plan.image_size(piece.rows()), group_size = piece.images() * image_size;
    // A line of tiles begins at each of these.
    const int64_t images = across ? 1 : piece.images(), lines = long_rows ? 1 : rows,
                  columns = across ? sum.v.out : 1;
    const int64_t length = across ? piece.images() : long_rows ? rows * sum.v.out : sum.v.out;
    const int64_t tile_rows = gemm.rows_of(width);
    std::vector<Span> spans;
    // Short sums: several panels of filters fit, and a pixel's results are written together.
    const int64_t fit = kFilterBytes / (panel_size() * static_cast<int64_t>(sizeof(T)));
    const int64_t together = std::max<int64_t>(fit, 1);
    const GemmTile<T> all = tile;
    tile.a_row = across ? image_size : sum.v.stride * plan.pitch;
    tile.a_col = 1;
    tile.b_row = width;
    tile.c_row = sum.y.stride[across ? 0 : 3];
    tile.residual_row = sum.residual.stride[across ? 0 : 3];
    const int64_t end_panel = g0 * panels + part_begin((g1 - g0) * panels, shares, share + 1);
    for (int64_t j0 = g0 * panels + part_begin((g1 - g0) * panels, shares, share); j0 < end_panel;
         j0 += together) {
      for (const Runs::Block& block : runs.blocks) {
        tile.depth = block.depth;
        tile.accumulate = &block != &runs.blocks.front();
        tile.finish = &block == &runs.blocks.back();
        tile.seen = 0;
        const bool every = !tile.accumulate || tile.finish;  // whether each output needs a visit
        const TapAxis::Outputs met = across || long_rows ? TapAxis::Outputs{0, length} : block.outputs;
        spans.clear();
        if (every) add_spans(0, met.begin, tile_rows, false, spans);
        add_spans(met.begin, met.end, tile_rows, true, spans);
        if (every) add_spans(met.end, length, tile_rows, false, spans);
        for (int64_t line = 0; line < images * lines * columns; ++line) {
          const int64_t n = line / (lines * columns), i = line / columns % lines, column = line % columns;
          set_runs(tile, block, piece.row0 + i);
          if (across && (column < block.outputs.begin || column >= block.outputs.end)) tile.runs = 0;
          if (tile.runs == 0 && !every) continue;
          const int64_t run_count = tile.runs;
          const T* corner_pixel = scratch + (corner + n * image_size + i * sum.h.stride * plan.row_size() +
                                             column * sum.v.stride * plan.pitch);
          for (const auto& [first, height, sums] : spans) {
            tile.rows = height;
            tile.runs = sums ? run_count : 0;
            int64_t g = j0 / panels, panel = j0 % panels;
            for (int64_t j = j0; j < std::min(end_panel, j0 + together); ++j) {
              const int64_t channel = g * out + panel * width;
              ahead.take(tile);
              tile.a = corner_pixel + first * tile.a_row + (g - g0) * group_size;
              tile.b = (*filters)->get() + j * panel_size();
              tile.cols = panel_cols(panel);
              tile.c = at(sum.y, piece.n0 + n, piece.row0 + i, column) + first * tile.c_row + channel;
              if (all.bias) tile.bias = all.bias + channel;
              if (sum.residual.data)
                tile.residual = at(sum.residual, piece.n0 + n, piece.row0 + i, column) +
                                first * tile.residual_row + channel;
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
  GatherPlan<T> plan = gather_plan(false);
  // Images whose pixels at one place are the rows of a tile; or 0, where these are pixels of a row.
  int64_t together = choose_images();

  // With `whole` images, and without padding.
  GatherPlan<T> gather_plan(bool whole) const {
    std::vector<TapAxis> h, v;
    for (const SlidingSum<T>& sum : all.sums) {
      h.push_back(whole ? sum.h.whole() : sum.h);
      v.push_back(sum.v.whole());
    }
    GatherPlan<T> gathered{TapAxis::covering(h), TapAxis::covering(v), in};
    if (!whole) return gathered;
    gathered.h = gathered.h.whole_inside();
    gathered.v = gathered.v.whole_inside();
    constexpr int64_t kLine = 64 / sizeof(T);  // images a power of two apart would share sets of the caches
    if (gathered.image_size(1) % (4 * kLine) == 0) gathered.gap = kLine;
    return gathered;
  }

  // Short rows make low tiles, and half of their taps may meet padding: of several images, if these fit,
  // pixels at one place make higher ones, whose taps meet pixels or padding together.
  int64_t choose_images() {
    // Tiles of eight pixels run at full speed. A column of taps should fill half of a block, as each of them
    // visits every tile.
    constexpr int64_t kLongRow = 8, kShortSum = 96;
    const SlidingSum<T>& sum = all.sums.front();
    const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
    const int64_t most = gemm.rows_of(sum.y.shape[1] / all.groups), images = all.x.shape[0];
    if (sum.v.out >= kLongRow || sum.h.taps * in < kShortSum) return 0;
    const GatherPlan<T> whole = gather_plan(true);
    const int64_t bytes = bundles.most() * whole.image_size(1) * static_cast<int64_t>(sizeof(T));
    const int64_t fit = std::min(2 * most, kMuchScratchBytes / std::max<int64_t>(bytes, 1));
    if (fit == 0) return 0;
    const int64_t share = ceil_div(images, ceil_div(images, fit));
    // Of the tiles.
    const int64_t across = share / ceil_div(share, most), along = sum.v.out / ceil_div(sum.v.out, most);
    if (2 * across < 3 * along) return 0;
    plan = whole;
    return share;
  }

  // What this thread will probably gather next.
  LinesAhead<T> after(const Bands& bands, int64_t shares, int64_t chunk) const {
    LinesAhead<T> ahead;
    const int64_t next = (chunk + 1) / shares, bundle = next % bundles.count();
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
      SumTiles<T>& tiles = sums.emplace_back(sum, plan, all.groups, together > 0);
      tiles.filters = std::make_unique<KeptOr<Buffer<T>>>(KeptAs{kept, sum.variant},
                                                          [&] { return tiles.pack_filters(); });
      flops += tiles.flops();
    }
    const int64_t row_bytes = bundles.most() * plan.row_size() * static_cast<int64_t>(sizeof(T));
    const Bands bands = together ? Bands(all.x.shape[0], together)
                                 : Bands(all.x.shape[0], plan.h, row_bytes,
                                         ceil_div(chunks_worth(flops / kFlopsPerNs), bundles.count()));
    const int64_t shares = together ? std::min(ceil_div(kWantedChunks, bands.pieces() * bundles.count()),
                                               sums.front().panels * bundles.most())
                                    : 1;
    const int64_t channels = all.sums.front().y.shape[1];
    const int64_t statistics = epilogue.mean ? bands.pieces() * channels : 0;
    Buffer<T> mean(statistics), squares(statistics);  // of each piece
    parallel_for(bands.pieces() * bundles.count() * shares, flops / kFlopsPerNs, [&](int64_t chunk) {
      const int64_t index = chunk / shares / bundles.count(), bundle = chunk / shares % bundles.count();
      const int64_t g0 = bundles.begin(bundle), g1 = bundles.begin(bundle + 1);
      const Piece piece(bands, index);
      Buffer<T> scratch((g1 - g0) * piece.images() * plan.image_size(piece.rows()));
      plan.gather(conv, all.x, g0 * in, piece, prologue, scratch.get(), g1 - g0);
      LinesAhead<T> ahead = after(bands, shares, chunk);
      GemmTile<T> tile{};
      tile.bias = epilogue.bias;
      tile.relu = epilogue.relu;
      if (epilogue.mean) {
        tile.mean = mean.get() + index * channels;
        tile.sum_squares = squares.get() + index * channels;
      }
      for (const SumTiles<T>& sum : sums)
        sum.run(piece, g0, g1, chunk % shares, shares, scratch.get(), tile, ahead);
    });
    if (epilogue.mean)
      join_statistics(bands, all.sums.front().v.out * (together ? all.sums.front().h.out : 1), mean.get(),
                      squares.get(), channels, epilogue);
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
