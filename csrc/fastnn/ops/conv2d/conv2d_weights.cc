// Direct convolution, backward to the weights: an outer product streamed over pixels.
//
//   dw[f, c, kh, kw] = sum over pixels of dy[pixel, f] * (tap kh, kw of channel c at that pixel)
//
// Rows of a register tile are taps, its columns filters; pixels are the sum, a row of them a run. Pieces of
// the batch are summed into partial results, whose number depends on the shape alone, and those in order and
// in double: one float sum over a whole batch would lose digits.
#include <algorithm>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/transpose.h"
#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kPartialBytes = 8 << 20;  // partial results in all; one is always there
constexpr int64_t kMostPartials = 16;
constexpr int64_t kPartPixels = 512;  // fewer would spend their time on combining
constexpr int64_t kPiecePixels = 128;
constexpr int kRowsAhead = 6;         // lower tiles are bound by their loads, and a fetch is one more
constexpr int64_t kSharedRows = 128;  // rows of a tile column from which on a packed panel pays

// Pixels a power of two apart would share a few sets of the first cache: tiles step from pixel to pixel, so
// these are set apart by another cache line.
int64_t spread_pitch(int64_t channels, int64_t size) {
  constexpr int64_t kLine = 64;
  return channels * size % (4 * kLine) ? channels : channels + kLine / size;
}

// Each piece fetches its sums and writes them back, as much work as 16 pixels where they come from memory:
// pieces of a few large images take more scratch instead.
Bands pieces(int64_t images, const TapAxis& h, int64_t width, int64_t row_bytes) {
  const Bands usual(images, h, row_bytes, kWantedChunks);
  if (images * h.out * width >= kPiecePixels * usual.pieces()) return usual;
  return {images, h, row_bytes, kWantedChunks, kMuchScratchBytes};
}

// What both inner loops share. Partial results are (parts, groups, taps * in + 1, out): the last row is db.
template <class T>
struct Weights {
  const TensorView<const T>& dy;
  const TensorView<const T>& x;
  TapAxis h, v;
  int64_t groups, in, out;  // groups, channels and filters of a group
  bool need_db;
  GatherPlan<T> x_plan;
  bool apart = false;  // each column of taps sums over the pixels that it meets, x_plan has no padding beside
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  Conv2dKernel<T> conv = FASTNN_DISPATCH(conv2d_kernel<T>)();
  Bundles bundles{groups, in* static_cast<int64_t>(sizeof(T))};
  int64_t taps = h.taps * v.taps;
  int64_t depth = taps * in;
  int64_t row_bytes = (bundles.most() * x_plan.row_size() + v.out * out) * static_cast<int64_t>(sizeof(T));
  Bands bands = pieces(x.shape[0], h, v.out, row_bytes);
  int64_t partial_size = groups * (depth + 1) * out;
  int64_t parts =
      std::min({bands.pieces(), kMostPartials, std::max<int64_t>(x.shape[0] * h.out * v.out / kPartPixels, 1),
                std::max<int64_t>(kPartialBytes / (partial_size * static_cast<int64_t>(sizeof(T))), 1)});
  Buffer<T> partial{parts * partial_size};

  T* partial_row(int64_t part, int64_t g, int64_t row) const {
    return partial.get() + part * partial_size + (g * (depth + 1) + row) * out;
  }

  double flops() const { return 2.0 * static_cast<double>(dy.size()) * static_cast<double>(depth); }

  void combine(T* dw, T* db) const { join_gradients(partial.get(), parts, groups, in, taps, out, dw, db); }
};

// Whether columns of taps that sum over nothing but the pixels that they meet take less time than rows of
// taps that run through padding too: multiply-adds of registers for a row of pixels.
template <class T>
bool columns_apart(const WeightCorrelation<T>& sum) {
  constexpr int64_t kRun = 1;            // pixels that take as long as to begin a run of them
  constexpr int64_t kAccumulators = 12;  // fewer wait for one another and for their loads
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t in = sum.x.shape[1] / sum.groups, out = sum.dy.shape[1] / sum.groups;
  const int64_t registers = ceil_div(std::min<int64_t>(gemm.cols, out), gemm.lanes);
  const auto of_pixel = [&](int64_t height) {
    const int64_t tiles = ceil_div(height, gemm.rows_of(out));
    return std::max(height * registers, tiles * kAccumulators);
  };
  const TapAxis& v = sum.v;
  const bool joins = v.step == 1 && spread_pitch(in, sizeof(T)) == in;
  const int64_t rows = joins ? of_pixel(v.taps * in) : v.taps * of_pixel(in);
  int64_t met = 0;
  for (int64_t t = 0; t < v.taps; ++t) met += v.on_pixels(t).count() + kRun;
  return 100 * met * of_pixel(in) < 97 * rows * (v.out + kRun);
}

template <class T>
struct WeightTiles : Weights<T> {
  using Base = Weights<T>;
  using Base::apart, Base::bands, Base::bundles, Base::conv, Base::depth, Base::gemm, Base::groups, Base::h,
      Base::in, Base::out, Base::parts, Base::taps, Base::v, Base::x_plan;
  int64_t width = std::min<int64_t>(gemm.cols, round_up(out, gemm.lanes));  // of a panel of dy
  int64_t panels = ceil_div(out, width);
  int64_t panel_bands = std::min(panels, ceil_div(kWantedChunks, parts* bundles.count()));
  // dy is read in place if its pixels are a panel as they stand, or if too few tiles would share a packed
  // one. Lines of a group's filters lie apart: they would compete for a few sets of the caches.
  bool in_place = this->dy.stride[1] == 1 && groups == 1 && (panels == 1 || depth < kSharedRows);

  void run_chunk(int64_t part, int64_t bundle, int64_t panel_band) const {
    const int64_t begin = part_begin(bands.pieces(), parts, part);
    const int64_t end = part_begin(bands.pieces(), parts, part + 1);
    for (int64_t index = begin; index < end; ++index)
      add_piece(index, part, bundle, panel_band, index > begin);
  }

  LinesAhead<T> after(int64_t index, int64_t g0, int64_t g1) const {
    LinesAhead<T> ahead;
    if (index + 1 >= bands.pieces()) return ahead;
    const Piece next(bands, index + 1);
    const T *begin = pixel(next.n0, next.row0),
            *end = pixel(next.n1 - 1, next.row1 - 1) + v.out * this->dy.stride[3];
    x_plan.add_ahead(this->x, next, ahead, g0 * in, g1 - g0);
    if (g1 - g0 == groups) {
      ahead.add(begin, end);
    } else {
      ahead.add_pixels(begin + g0 * out, end, (g1 - g0) * out, this->dy.stride[3]);
    }
    return ahead;
  }

  void add_piece(int64_t index, int64_t part, int64_t bundle, int64_t panel_band, bool accumulate) const {
    const Piece piece(bands, index);
    const int64_t g0 = bundles.begin(bundle), g1 = bundles.begin(bundle + 1);
    LinesAhead<T> ahead = after(index, g0, g1);
    const int64_t group_size = piece.images() * x_plan.image_size(piece.rows());
    Buffer<T> scratch((g1 - g0) * group_size);
    x_plan.gather(conv, this->x, g0 * in, piece, {}, scratch.get(), g1 - g0);
    for (int64_t g = g0; g < g1; ++g)
      add_group(piece, scratch.get() + (g - g0) * group_size, part, g, panel_band, accumulate, ahead);
  }

  void add_group(const Piece& piece, const T* scratch, int64_t part, int64_t g, int64_t panel_band,
                 bool accumulate, LinesAhead<T>& ahead) const {
    const int64_t image_size = x_plan.image_size(piece.rows()), rows = piece.images() * piece.rows();
    Buffer<T> panel(in_place ? 0 : rows * v.out * width);
    const Buffer<int64_t> offsets(3 * rows);
    int64_t *const a = offsets.get(), *const b = a + rows, *const none = b + rows;
    std::fill_n(none, rows, 0);
    const T one = 1;

    GemmTile<T> tile{};
    tile.b_offset = b;
    tile.a_row = 1;
    tile.b_row = in_place ? this->dy.stride[3] : width;
    tile.b_masked = in_place;
    tile.c_row = out;
    tile.accumulate = accumulate;
    // Neighbouring taps along a row are contiguous, and tiles run across them.
    const int64_t joined = !apart && v.step == 1 && x_plan.pitch == in ? v.taps : 1;
    const int64_t height = joined * in, tiles = ceil_div(height, gemm.rows_of(out));
    for (int64_t j = part_begin(panels, panel_bands, panel_band);
         j < part_begin(panels, panel_bands, panel_band + 1); ++j) {
      const int64_t col = j * width;
      tile.cols = static_cast<int>(std::min(width, out - col));
      if (!in_place) pack_gradient(piece, g * out + col, tile.cols, panel.get());
      // Sets the runs: of the rows of pixels, those that contribute.
      const auto set_runs = [&](auto contributes) {
        tile.runs = 0;
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t n = r / piece.rows(), i = r % piece.rows();
          if (!contributes(piece.row0 + i)) continue;
          a[tile.runs] = n * image_size + i * h.stride * x_plan.row_size();
          b[tile.runs++] = in_place ? n * this->dy.stride[0] + i * this->dy.stride[2] : r * v.out * width;
        }
      };
      const T* gradient = in_place ? pixel(piece.n0, piece.row0) + g * out + col : panel.get();
      tile.a_offset = a;
      tile.a_col = v.stride * x_plan.pitch;
      for (int64_t tap = 0; tap < taps; tap += joined) {
        const int64_t th = tap / v.taps, tw = tap % v.taps;
        set_runs([&](int64_t i) { return h.on_pixels(i, th); });
        const TapAxis::Outputs met = apart ? v.on_pixels(tw) : TapAxis::Outputs{0, v.out};
        const int64_t column = (v.origin - x_plan.v.origin) / v.sample + tw * v.step + met.begin * v.stride;
        const T* corner = scratch + (th * h.step * x_plan.row_size() + column * x_plan.pitch);
        tile.b = gradient + met.begin * tile.b_row;
        tile.depth = met.count();
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t first = part_begin(height, tiles, t);
          tile.rows = static_cast<int>(part_begin(height, tiles, t + 1) - first);
          tile.a = corner + first;
          tile.ahead = nullptr;
          if (tile.rows >= kRowsAhead) ahead.take(tile);
          tile.c = this->partial_row(part, g, tap * in + first) + col;
          gemm.tile(tile);
        }
      }
      if (!this->need_db) continue;
      set_runs([](int64_t) { return true; });
      tile.ahead = nullptr;
      tile.b = gradient;
      tile.depth = v.out;
      tile.a = &one;  // db: the same sum with 1 for every pixel
      tile.a_offset = none;
      tile.a_col = 0;
      tile.rows = 1;
      tile.c = this->partial_row(part, g, depth) + col;
      gemm.tile(tile);
    }
  }

  const T* pixel(int64_t n, int64_t i) const {
    return this->dy.data + n * this->dy.stride[0] + i * this->dy.stride[2];
  }

  // Lines of dy, `cols` filters from `first` on, as the micro-kernel reads them.
  void pack_gradient(const Piece& piece, int64_t first, int cols, T* out_panel) const {
    const TensorView<const T>& dy = this->dy;
    for (int64_t n = piece.n0; n < piece.n1; ++n) {
      for (int64_t i = piece.row0; i < piece.row1; ++i, out_panel += v.out * width) {
        gemm.pack_b({pixel(n, i) + first * dy.stride[1], dy.stride[3], dy.stride[1], cols,
                     static_cast<int>(width), v.out, out_panel});
      }
    }
  }

  void run() {
    const int64_t count = bundles.count();
    parallel_for(parts * count * panel_bands, this->flops() / kFlopsPerNs, [&](int64_t chunk) {
      run_chunk(chunk / (count * panel_bands), chunk / panel_bands % count, chunk % panel_bands);
    });
  }
};

// 1x1 filters: a product of matrices, dw^T = X^T dY, with pixels for its depth. Both are read where they lie,
// but for the pixels that a stride meets: those of a piece are gathered.
template <class T>
struct WeightProduct : Weights<T> {
  using Base = Weights<T>;
  using Base::bands, Base::conv, Base::gemm, Base::groups, Base::h, Base::in, Base::out, Base::parts, Base::v,
      Base::x_plan;
  MatrixView<const T> x_rows;  // without data if they are gathered
  MatrixView<const T> dy_rows;
  int64_t panels = ceil_div(out, gemm.cols);
  int64_t panel_bands = std::min(panels, ceil_div(kWantedChunks, parts* groups));

  int64_t first_pixel(const Piece& piece) const { return (piece.n0 * h.out + piece.row0) * v.out; }
  int64_t pixels(const Piece& piece) const { return piece.images() * piece.rows() * v.out; }

  LinesAhead<T> after(int64_t index, int64_t g) const {
    LinesAhead<T> ahead;
    if (index + 1 >= bands.pieces()) return ahead;
    const Piece next(bands, index + 1);
    const auto add = [&](const MatrixView<const T>& rows) {
      const T* begin = rows.data + first_pixel(next) * rows.row_stride;
      ahead.add(begin, begin + pixels(next) * rows.row_stride);
    };
    x_rows.data ? add(x_rows) : x_plan.add_ahead(this->x, next, ahead, g * in);
    add(dy_rows);
    return ahead;
  }

  void add_piece(int64_t index, int64_t part, int64_t g, int64_t panel_band, bool accumulate) const {
    const Piece piece(bands, index);
    LinesAhead<T> ahead = after(index, g);
    Buffer<T> gathered(x_rows.data ? 0 : pixels(piece) * x_plan.pitch);
    if (gathered.get()) x_plan.gather(conv, this->x, g * in, piece, {}, gathered.get());
    const T* const x =
        gathered.get() ? gathered.get() : x_rows.data + first_pixel(piece) * x_rows.row_stride + g * in;
    const T one = 1;
    GemmTile<T> tile{};
    tile.runs = 1;
    tile.depth = pixels(piece);
    tile.a_row = 1;
    tile.b_row = dy_rows.row_stride;
    tile.b_masked = true;
    tile.c_row = out;
    tile.accumulate = accumulate;
    const int64_t tiles = ceil_div(in, gemm.rows);
    for (int64_t j = part_begin(panels, panel_bands, panel_band);
         j < part_begin(panels, panel_bands, panel_band + 1); ++j) {
      const int64_t col = j * gemm.cols;
      tile.b = dy_rows.data + first_pixel(piece) * dy_rows.row_stride + g * out + col;
      tile.cols = static_cast<int>(std::min<int64_t>(gemm.cols, out - col));
      tile.a_col = gathered.get() ? x_plan.pitch : x_rows.row_stride;
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t first = part_begin(in, tiles, t);
        tile.rows = static_cast<int>(part_begin(in, tiles, t + 1) - first);
        tile.a = x + first;
        ahead.take(tile);
        tile.c = this->partial_row(part, g, first) + col;
        gemm.tile(tile);
      }
      if (!this->need_db) continue;
      tile.a = &one;  // db: the same sum with 1 for every pixel
      tile.a_col = 0;
      tile.rows = 1;
      tile.c = this->partial_row(part, g, in) + col;
      gemm.tile(tile);
    }
  }

  void run() {
    const int64_t chunks = parts * groups * panel_bands;
    parallel_for(chunks, this->flops() / kFlopsPerNs, [&](int64_t chunk) {
      const int64_t part = chunk / (groups * panel_bands), end = part_begin(bands.pieces(), parts, part + 1);
      const int64_t begin = part_begin(bands.pieces(), parts, part);
      for (int64_t i = begin; i < end; ++i)
        add_piece(i, part, chunk / panel_bands % groups, chunk % panel_bands, i > begin);
    });
  }
};

}  // namespace

template <class T>
void join_gradients(const T* partial, int64_t parts, int64_t groups, int64_t in, int64_t taps, int64_t out,
                    T* dw, T* db) {
  constexpr int64_t kColumns = 32;  // of dw, two cache lines: threads seldom write to the same one
  const int64_t rows = taps * in + 1, partial_size = groups * rows * out;
  const int64_t band = ceil_div(kColumns, taps), bands = ceil_div(in, band);  // of channels
  const auto total = [=](int64_t g, int64_t row, double* sum) {
    std::fill_n(sum, out, 0.0);
    for (int64_t part = 0; part < parts; ++part) {
      const T* addend = partial + part * partial_size + (g * rows + row) * out;
      for (int64_t f = 0; f < out; ++f) sum[f] += static_cast<double>(addend[f]);
    }
  };
  const double bytes = sizeof(T) * static_cast<double>(parts * partial_size);
  parallel_for(groups * bands, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t g = chunk / bands, c0 = chunk % bands * band, channels = std::min(band, in - c0);
    Buffer<double> sum(out);
    Buffer<T> totals(channels * taps * out);  // [channel][tap][filter]
    for (int64_t i = 0; i < channels * taps; ++i) {
      total(g, i % taps * in + c0 + i / taps, sum.get());
      T* row = totals.get() + i * out;
      for (int64_t f = 0; f < out; ++f) row[f] = static_cast<T>(sum[f]);
    }
    transpose(static_cast<const T*>(totals.get()), out, out, channels * taps, dw + (g * out * in + c0) * taps,
              in * taps);
  });
  for (int64_t i = 0; db && i < groups * out; ++i) {
    const T* addend = partial + (i / out * rows + rows - 1) * out + i % out;
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += static_cast<double>(addend[part * partial_size]);
    db[i] = static_cast<T>(sum);
  }
}

template <class T>
void correlate_weights(const WeightCorrelation<T>& sum, T* dw, T* db) {
  const auto& [dy, x, h, v, groups] = sum;
  const int64_t in = x.shape[1] / groups, filters = dy.shape[1];
  if (x.shape[0] == 0) {
    std::fill_n(dw, filters * in * h.taps * v.taps, T(0));
    if (db) std::fill_n(db, filters, T(0));
  } else if (h.taps * v.taps == 1 && h.origin == 0 && v.origin == 0) {
    const bool strided = h.sample * v.sample > 1;
    const GatherPlan<T> plan{h, v, in, 1, 1, strided ? spread_pitch(in, sizeof(T)) : in};
    TensorView<const T> met = x;
    met.shape[2] = h.out, met.stride[2] *= h.stride * h.sample;
    met.shape[3] = v.out, met.stride[3] *= v.stride * v.sample;
    const PixelRows<T> dy_rows(dy);
    WeightProduct<T> weights{
        {dy, x, h, v, groups, in, filters / groups, db != nullptr, plan}, {}, dy_rows.matrix()};
    // Chunks that share pixels, as these are few, would each gather them.
    const bool by_pieces = strided && weights.panel_bands == 1;
    const PixelRows<T> x_rows(by_pieces ? TensorView<const T>{} : met);
    weights.x_rows = x_rows.matrix();
    weights.run();
    weights.combine(dw, db);
  } else {
    const bool apart = columns_apart<T>(sum);
    const GatherPlan<T> plan{h, apart ? v.whole_inside() : v, in, 1, 1, spread_pitch(in, sizeof(T))};
    WeightTiles<T> weights{{dy, x, h, v, groups, in, filters / groups, db != nullptr, plan, apart}};
    weights.run();
    weights.combine(dw, db);
  }
}

template void join_gradients(const float*, int64_t, int64_t, int64_t, int64_t, int64_t, float*, float*);
template void join_gradients(const double*, int64_t, int64_t, int64_t, int64_t, int64_t, double*, double*);
template void correlate_weights(const WeightCorrelation<float>&, float*, float*);
template void correlate_weights(const WeightCorrelation<double>&, double*, double*);

}  // namespace fastnn
