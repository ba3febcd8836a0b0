// Depthwise convolution: filters stand side by side along vector lanes, each above its own channel.
//
// A group of several channels is a sum of slices, the first channel of every group, the second, and so on;
// one of several filters repeats its channels along the lanes. Such pixels are gathered, as are those whose
// channels do not lie together; plain depthwise filters read them where they are.
//
// A row of output is computed in one go, whatever its phase: neighbouring taps that meet neighbouring pixels
// form a run, and taps above the padding are left out.
#include "fastnn/ops/conv2d/conv2d_depthwise.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/conv2d/conv2d_lanes.h"

namespace fastnn {
namespace {

// Up to so many channels and filters a group, repeating them costs less than lanes of a tile that stay empty.
constexpr int64_t kSmallGroup = 2;
constexpr int64_t kMostPartials = 16;
// With the norm behind, dx and dw take whole images: several small ones, none so large that what they meet
// leaves the second cache.
constexpr int64_t kBlockBytes = 128 * 1024, kMostImageBytes = 2 * kBlockBytes;
constexpr int64_t kPartialPixels = 128;  // below, joining a partial result costs as much as making it

// Forward, and backward to the input, where the roles of channels and filters are changed.
template <class T>
struct LaneSum {
  LaneTaps<T> x;
  FilterView<T> w;
  TensorView<T> y;
  Epilogue<T> epilogue;
  Kept* kept;
  const NormReduction<T>* reduction;
  std::optional<PieceReduction<T>> reduce = {};
  Conv2dKernel<T> kernel = FASTNN_DISPATCH(conv2d_kernel<T>)();
  Buffer<T> mean = {}, squares = {};  // statistics of each piece (pieces, lanes)

  // [slice][kh][kw][lane].
  Buffer<T> pack_filters() const {
    Buffer<T> filters(x.taps * x.lanes);
    const int64_t repeat = x.images.repeat;
    for (int64_t g = 0; g < x.images.groups; ++g) {
      for (int64_t o = 0; o < repeat; ++o) {
        T* to = filters.get() + g * repeat + o;
        for (int64_t k = 0; k < x.images.slices; ++k) {
          const T* from = w.data + g * w.group + o * w.out + k * w.in;
          for (int64_t i = 0; i < x.kernel_h; ++i)
            for (int64_t j = 0; j < x.kernel_w; ++j, to += x.lanes) *to = from[i * w.h + j * w.w];
        }
      }
    }
    return filters;
  }

  double flops() const {
    return 2.0 * static_cast<double>(y.size()) * static_cast<double>(x.taps) /
           static_cast<double>(x.h.size() * x.v.size());
  }

  // Piece `index`, which looks at `rows`.
  void run_piece(const Piece& piece, int64_t index, const LaneRows<T>& rows, const Buffer<T>& filters) const {
    DepthwiseRow<T> row{};
    row.w = filters.get();
    row.bias = epilogue.bias;
    row.relu = epilogue.relu;
    const int64_t phases = static_cast<int64_t>(x.v.size());
    row.y_pixel = phases * y.stride[3];
    row.residual_pixel = phases * epilogue.residual.row_stride;
    if (epilogue.mean) {
      row.mean = mean.get() + index * x.lanes;
      row.sum_squares = squares.get() + index * x.lanes;
    }
    if (reduce) reduce->begin(index);
    const bool pairs = x.by_pairs();
    std::vector<DepthwiseRun<T>> runs;
    for (int64_t n = piece.n0; n < piece.n1; ++n) {
      int64_t p = piece.row0;
      for (; pairs && p + 1 < piece.row1; p += 2) run_pair(row, index, rows, n, p);
      for (; p < piece.row1; ++p) {
        for (int64_t j = 0; j < std::min(phases, y.shape[3]); ++j) {
          place(row, index, n, p, j);
          row.sum = x.sum(rows, n, p, static_cast<size_t>(j), runs);
          if (j == 0 && p + 1 < y.shape[2]) {
            row.sum.ahead_out = {reinterpret_cast<const char*>(row.y + y.stride[2]),
                                 y.stride[2] * static_cast<int64_t>(sizeof(T))};
            row.sum.ahead_norm = norm_ahead(index, n, p + 1, 1);
          }
          kernel.depthwise_row(row);
          row.seen += row.sum.pixels;
        }
      }
    }
  }

  // Row p of image n, or column phase j of it: where it goes, and what it meets there.
  void place(DepthwiseRow<T>& row, int64_t index, int64_t n, int64_t p, int64_t j) const {
    const int64_t pixel = (n * y.shape[2] + p) * y.shape[3] + j;
    row.y = y.data + n * y.stride[0] + p * y.stride[2] + j * y.stride[3];
    if (epilogue.residual.data) row.residual = epilogue.residual.data + pixel * epilogue.residual.row_stride;
    if (reduce) row.norm = reduce->band(index, pixel, static_cast<int64_t>(x.v.size()));
  }

  // What the norm before reads for `count` rows of image n, less those beyond it.
  Ahead norm_ahead(int64_t index, int64_t n, int64_t p, int64_t count) const {
    count = std::min(count, y.shape[2] - p);
    if (!reduce || count <= 0) return {};
    const BatchNormBand<T> next = reduce->band(index, (n * y.shape[2] + p) * y.shape[3]);
    return {reinterpret_cast<const char*>(next.x),
            count * y.shape[3] * next.x_row * static_cast<int64_t>(sizeof(T))};
  }

  void run_pair(DepthwiseRow<T>& row, int64_t index, const LaneRows<T>& rows, int64_t n, int64_t p) const {
    const Phase &h = x.h.front(), &v = x.v.front();
    place(row, index, n, p, 0);
    DepthwisePair<T> pair{
        {row, row}, nullptr, rows.row, h.axis.input(p, 0), h.axis.in, v.axis.input(0, 0), v.axis.in, 0, 0, 0};
    place(pair.rows[1], index, n, p + 1, 0);
    pair.x = rows.at(0, n, pair.row) + pair.column * rows.pixel;
    pair.weight = (h.tap * x.kernel_w + v.tap) * x.lanes;
    pair.weight_row = h.tap_distance * x.kernel_w * x.lanes;
    pair.weight_step = v.tap_distance * x.lanes;
    pair.rows[0].sum = {nullptr, 0, rows.pixel, x.lanes, y.shape[3], x.ahead(n, p, 2), {}, {}};
    pair.rows[0].sum.ahead_norm = norm_ahead(index, n, p + 2, 2);
    const int64_t below = std::min<int64_t>(2, y.shape[2] - p - 2) * y.stride[2];
    pair.rows[0].sum.ahead_out = {reinterpret_cast<const char*>(pair.rows[1].y + y.stride[2]),
                                  below * static_cast<int64_t>(sizeof(T))};
    kernel.depthwise_pair(pair);
    row.seen += 2 * y.shape[3];
  }

  void run() {
    if (y.size() == 0) {
      if (reduction) PieceReduction<T>(*reduction, 0).join();
      return;
    }
    const KeptOr<Buffer<T>> filters(KeptAs{kept}, [&] { return pack_filters(); });
    const Bands bands = x.bands(y.shape[2]);
    if (x.images.norm)  // what this thread will probably read next
      x.images.rows_early = x.images.x.shape[0] * x.images.x.shape[2] / bands.pieces();
    if (reduction) reduce.emplace(*reduction, bands.pieces());
    if (epilogue.mean) {
      mean = Buffer<T>(bands.pieces() * x.lanes);
      squares = Buffer<T>(bands.pieces() * x.lanes);
    }
    parallel_for(bands.pieces(), flops() / kFlopsPerNs, [&](int64_t index) {
      const Piece piece(bands, index);
      run_piece(piece, index, x.rows(piece), *filters);
    });
    if (epilogue.mean) join_statistics(bands, y.shape[3], mean.get(), squares.get(), x.lanes, epilogue);
    if (reduce) reduce->join();
  }
};

// Partial results (parts, slice, kh, kw, lane), whose number depends on the shape alone, are joined in order
// and in double: one float sum over a whole batch would lose digits.
template <class T>
struct LaneWeights {
  LaneTaps<T> x;
  LaneImages<T> dy;
  Bands bands = x.bands(dy.x.shape[2]);
  Conv2dKernel<T> kernel = FASTNN_DISPATCH(conv2d_kernel<T>)();
  int64_t out_rows = dy.x.shape[2];
  int64_t size = x.taps * x.lanes;
  int64_t parts =
      std::min({bands.pieces(), kMostPartials, std::max<int64_t>(dy.x.size() / x.lanes / kPartialPixels, 1)});
  Buffer<T> partial{parts * size};

  // Whether taps are taken block by block, with all pixels of a piece. Where registers are narrow that needs
  // more instructions than row by row, and a stride, which leaves rows fewer neighbours to share, makes up.
  bool by_blocks = kernel.lanes * static_cast<int64_t>(sizeof(T)) >= 64 || x.v.front().axis.stride > 1;

  void run_part(int64_t part) const {
    begin_part(part);
    for (int64_t index = first_piece(part); index < first_piece(part + 1); ++index) {
      const Piece piece(bands, index);
      add(part, piece, dy.rows(piece.n0, piece.n1, piece.row0, piece.row1), after(index));
    }
  }

  void begin_part(int64_t part) const { std::fill_n(partial.get() + part * size, size, T(0)); }
  int64_t first_piece(int64_t part) const { return part_begin(bands.pieces(), parts, part); }

  // What lies ahead, and is to be read soon.
  struct Next {
    Ahead x, dy;
  };

  // What the pixels of a piece add, whose gradients these are.
  void add(int64_t part, const Piece& piece, const LaneRows<T>& gradients, const Next& next) const {
    T* dw = partial.get() + part * size;
    const LaneRows<T> rows = x.rows(piece);
    by_blocks ? add_blocks(piece, rows, gradients, next, dw) : add_rows(piece, rows, gradients, dw);
  }

  void add_rows(const Piece& piece, const LaneRows<T>& rows, const LaneRows<T>& gradients, T* dw) const {
    std::vector<DepthwiseRun<T>> runs;
    DepthwiseWeights<T> row{};
    row.dw = dw;
    row.dy_pixel = gradients.pixel;
    for (int64_t n = piece.n0; n < piece.n1; ++n) {
      for (int64_t p = piece.row0; p < piece.row1; ++p) {
        row.sum = x.sum(rows, n, p, 0, runs);
        row.sum.ahead_out = dy.ahead(n * out_rows + p + 1, n * out_rows + p + 2);
        row.dy = gradients.at(0, n, p);
        kernel.depthwise_weights(row);
      }
    }
  }

  void add_blocks(const Piece& piece, const LaneRows<T>& pixels, const LaneRows<T>& gradients,
                  const Next& next, T* dw) const {
    const TapAxis &h = x.h.front().axis, &v = x.v.front().axis;
    DepthwiseBlock<T> block{};
    block.dy_image = gradients.image, block.dy_row = gradients.row, block.dy_pixel = gradients.pixel;
    block.x_image = pixels.image, block.x_pixel = pixels.pixel;
    block.x_row = h.stride * h.sample * pixels.row;
    block.x_tap_row = h.step * h.sample * pixels.row;
    block.images = piece.images();
    block.pixels = v.out;
    block.stride = v.stride * v.sample, block.step = v.step * v.sample;
    block.width = v.in;
    block.channels = block.dw_tap = x.lanes;
    block.dw_row = x.kernel_w * x.lanes;
    if (x.by_pairs()) {
      block.x_row = pixels.row;
      block.rows = piece.rows();
      block.row = h.input(piece.row0, 0), block.height = h.in;
      block.first = v.input(0, 0);
      block.x = pixels.at(0, piece.n0, block.row) + block.first * pixels.pixel;
      block.dy = gradients.at(0, piece.n0, piece.row0);
      block.dw = dw;
      block.ahead = next.x, block.ahead_out = next.dy;
      return kernel.depthwise_block_pairs(block);
    }
    // Rows of output that meet the same rows of taps are taken together.
    for (int64_t p = piece.row0, end; p < piece.row1; p = end) {
      const TapRow& row = x.tap_row(p);
      const auto same = [&](const TapRow& other) { return other.tap == row.tap && other.taps == row.taps; };
      for (end = p + 1; end < piece.row1 && same(x.tap_row(end));) ++end;
      block.rows = end - p;
      block.dy = gradients.at(0, piece.n0, p);
      block.ahead = share(next.x, p - piece.row0, end - piece.row0, piece.rows());
      block.ahead_out = share(next.dy, p - piece.row0, end - piece.row0, piece.rows());
      for (int64_t k = 0; k < x.images.slices; ++k) {
        for_parts(row.taps, [&](int64_t t, int64_t tap_rows) {
          block.tap_rows = tap_rows;
          for_parts(x.kernel_w, [&](int64_t tap, int64_t taps) {
            block.taps = taps;
            block.first = v.input(0, tap);
            block.x = pixels.at(k, piece.n0, row.input + t * row.step) + block.first * pixels.pixel;
            block.dw = dw + ((k * x.kernel_h + row.tap + t) * x.kernel_w + tap) * x.lanes;
            kernel.depthwise_block(block);
            block.ahead = block.ahead_out = {};
          });
        });
      }
    }
  }

  // Calls visit(first, count) for some taps at a time.
  template <class Visit>
  static void for_parts(int64_t taps, const Visit& visit) {
    const int64_t parts = ceil_div(taps, int64_t{kDepthwiseTaps});
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t first = part_begin(taps, parts, i);
      visit(first, part_begin(taps, parts, i + 1) - first);
    }
  }

  // What the next piece reads and this one does not.
  Next after(int64_t index) const {
    if (index + 1 >= bands.pieces()) return {};
    const Piece piece(bands, index), next(bands, index + 1);
    const auto now = x.input_rows(piece), then = x.input_rows(next);
    const int64_t height = x.images.x.shape[2], last = next.n1 - 1;
    return {x.images.ahead(std::max((piece.n1 - 1) * height + now.end, next.n0 * height + then.begin),
                           last * height + then.end),
            dy.ahead(next.n0 * out_rows + next.row0, last * out_rows + next.row1)};
  }

  // Into dw (lane, slice, kh, kw) in C order.
  void join(T* dw) const {
    const double bytes = sizeof(T) * static_cast<double>(parts * size);
    parallel_for(x.taps, bytes / kBytesPerNs, [&](int64_t tap) {
      Buffer<double> sum(x.lanes);
      std::fill_n(sum.get(), x.lanes, 0.0);
      for (int64_t part = 0; part < parts; ++part) {
        const T* from = partial.get() + part * size + tap * x.lanes;
        for (int64_t f = 0; f < x.lanes; ++f) sum[f] += static_cast<double>(from[f]);
      }
      for (int64_t f = 0; f < x.lanes; ++f) dw[f * x.taps + tap] = static_cast<T>(sum[f]);
    });
  }

  void run(T* dw) {
    if (x.images.norm) x.images.rows_early = x.images.x.shape[0] * x.images.x.shape[2] / bands.pieces();
    const double flops = 2.0 * static_cast<double>(dy.x.size()) * static_cast<double>(x.taps);
    parallel_for(parts, flops / kFlopsPerNs, [&](int64_t part) { run_part(part); });
    join(dw);
  }
};

// dx and dw together: what the norm behind makes of dy, whole images at a time, is at hand for both.
template <class T>
struct LaneBackward {
  const NormBackward<T>& norm;
  PixelRows<T> dy;
  LaneSum<T> data;
  std::optional<LaneWeights<T>> weights;
  Bands bands;
  T* db;
  PieceBackward<T> behind{norm};
  int64_t channels = norm.x.shape[1], row = norm.x.shape[3] * channels, rows = norm.x.shape[2];
  Buffer<T> sums{db ? bands.pieces() * channels : 0};  // for db

  LaneRows<T> gradients(int64_t index, const Piece& piece) const {
    LaneRows<T> result;
    const int64_t pixels = rows * norm.x.shape[3], first = piece.n0 * pixels, count = piece.images() * pixels;
    result.scratch = Buffer<T>(count * channels);
    result.data = result.scratch.get();
    result.n0 = piece.n0;
    result.pixel = channels, result.row = row, result.image = rows * row;
    behind.run({dy.row(first), count, channels, dy.row_stride(), 1}, first, result.scratch.get(), channels);
    if (db) column_sums<T>({result.data, count, channels, channels, 1}, sums.get() + index * channels);
    return result;
  }

  Piece images(int64_t index, int64_t height) const {
    return {bands.image_begin(index), bands.image_begin(index + 1), 0, height};
  }

  // What the next piece reads first. The gradient is asked for by the sum of dx.
  typename LaneWeights<T>::Next after(int64_t index) const {
    if (index + 1 >= bands.pieces()) return {};
    const int64_t begin = bands.image_begin(index + 1), end = bands.image_begin(index + 2);
    const int64_t pixels = rows * norm.x.shape[3], height = data.y.shape[2];
    const char *first = reinterpret_cast<const char*>(behind.row(begin * pixels)),
               *last = reinterpret_cast<const char*>(behind.row(end * pixels - 1) + channels);
    return {weights->x.images.ahead(begin * height, end * height), {first, last - first}};
  }

  void run_piece(int64_t index, int64_t part, const Buffer<T>& filters) const {
    const Piece piece = images(index, rows);
    const LaneRows<T> gradient = gradients(index, piece);
    data.run_piece(images(index, data.y.shape[2]), index, gradient, filters);
    if (weights) weights->add(part, piece, gradient, after(index));
  }

  void run(const NormReduction<T>* reduction, T* dw) {
    const Buffer<T> filters = data.pack_filters();
    if (reduction) data.reduce.emplace(*reduction, bands.pieces());
    data.x.images.rows_early = norm.x.shape[0] * rows / bands.pieces();
    const int64_t parts = weights ? weights->parts : bands.pieces();
    parallel_for(parts, (weights ? 2 : 1) * data.flops() / kFlopsPerNs, [&](int64_t part) {
      if (weights) weights->begin_part(part);
      const int64_t end = part_begin(bands.pieces(), parts, part + 1);
      for (int64_t index = part_begin(bands.pieces(), parts, part); index < end; ++index)
        run_piece(index, part, filters);
    });
    if (data.reduce) data.reduce->join();
    if (weights) weights->join(dw);
    for (int64_t c = 0; db && c < channels; ++c) {
      double sum = 0;
      for (int64_t index = 0; index < bands.pieces(); ++index)
        sum += static_cast<double>(sums[index * channels + c]);
      db[c] = static_cast<T>(sum);
    }
  }
};

// Of an image or its output, whichever is larger.
template <class T>
int64_t image_bytes(const TensorView<const T>& x, int64_t outputs) {
  return std::max(x.shape[2] * x.shape[3], outputs) * x.shape[1] * static_cast<int64_t>(sizeof(T));
}

template <class T>
std::optional<PieceForward<T>> piece_forward(const BatchNorm<T>* norm, const TensorView<const T>& x) {
  if (!norm) return {};
  return std::optional<PieceForward<T>>(std::in_place, *norm, x);
}

}  // namespace

template <class T>
bool depthwise_takes_input_norm(const TensorView<const T>& w, int64_t groups) {
  return groups > 1 && w.shape[1] == 1 && w.shape[0] == groups;
}

template <class T>
bool depthwise_applies(const TensorView<const T>& w, int64_t groups) {
  if (groups == 1) return false;
  const int64_t channels = w.shape[1], filters = w.shape[0] / groups;
  return channels == 1 || filters == 1 || std::max(channels, filters) <= kSmallGroup;
}

template <class T>
void depthwise_forward(const TensorView<const T>& x, const TensorView<const T>& w, const TensorView<T>& y,
                       const Conv2dSettings& settings, const Prologue<T>& prologue,
                       const Epilogue<T>& epilogue, Kept* kept, const BatchNorm<T>* input_norm) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const std::optional<PieceForward<T>> norm = piece_forward(input_norm, x);
  const int64_t filters = w.shape[0] / settings.groups;
  const FilterView<T> taps{w.data, filters * w.stride[0], w.stride[0], w.stride[1], w.stride[2], w.stride[3]};
  LaneSum<T>{{{x, w.shape[1], filters, prologue, norm ? &*norm : nullptr},
              forward_phases(h, x.shape[2]),
              forward_phases(v, x.shape[3]),
              h.kernel,
              v.kernel},
             taps,
             y,
             epilogue,
             kept,
             nullptr}
      .run();
}

template <class T>
bool depthwise_takes_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                          const Conv2dSettings& settings) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t outputs = h.outputs(x.shape[2]) * v.outputs(x.shape[3]);
  const int64_t bytes = image_bytes(x, outputs);
  return depthwise_takes_input_norm(w, settings.groups) && x.shape[0] >= kMostPartials && outputs > 0 &&
         bytes <= kMostImageBytes;
}

template <class T>
void depthwise_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                        const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw, T* db,
                        const Conv2dSettings& settings, const Epilogue<T>& epilogue,
                        const NormReduction<T>* before, const NormBackward<T>* behind,
                        const BatchNorm<T>* input_norm) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t filters = w.shape[0] / settings.groups;
  const FilterView<T> taps{w.data, filters * w.stride[0], w.stride[1], w.stride[0], w.stride[2], w.stride[3]};
  const std::optional<PieceForward<T>> norm = piece_forward(dw.data ? input_norm : nullptr, x);
  const auto data = [&] {
    const LaneTaps<T> gradients{{dy, filters, w.shape[1]},
                                backward_phases(h, dx.shape[2]),
                                backward_phases(v, dx.shape[3]),
                                h.kernel,
                                v.kernel};
    return LaneSum<T>{gradients, taps, dx, epilogue, nullptr, before};
  };
  const auto pixels = [&] {
    return LaneTaps<T>{{x, w.shape[1], filters, {}, norm ? &*norm : nullptr},
                       forward_phases(h, x.shape[2]),
                       forward_phases(v, x.shape[3]),
                       h.kernel,
                       v.kernel};
  };
  if (behind) {
    const int64_t bytes = image_bytes(x, dy.shape[2] * dy.shape[3]);
    const Bands bands(x.shape[0], std::max<int64_t>(kBlockBytes / bytes, 1));
    LaneBackward<T> all{*behind, PixelRows<T>(dy), data(), {}, bands, db};
    if (dw.data) all.weights.emplace(LaneWeights<T>{pixels(), {dy, 1, 1}, bands});
    return all.run(before, dw.data);
  }
  if (dx.data) data().run();
  if (dw.data && dy.size() > 0) {
    LaneWeights<T>{pixels(), {dy, 1, 1}}.run(dw.data);
  } else if (dw.data) {
    std::fill_n(dw.data, dw.size(), T(0));
  }
  if (db) column_sums<T>(PixelRows<T>(dy).matrix(), db);
}

#define FASTNN_X(T)                                                                                        \
  template bool depthwise_applies(const TensorView<const T>&, int64_t);                                    \
  template bool depthwise_takes_input_norm(const TensorView<const T>&, int64_t);                           \
  template void depthwise_forward(const TensorView<const T>&, const TensorView<const T>&,                  \
                                  const TensorView<T>&, const Conv2dSettings&, const Prologue<T>&,         \
                                  const Epilogue<T>&, Kept*, const BatchNorm<T>*);                         \
  template bool depthwise_takes_norm(const TensorView<const T>&, const TensorView<const T>&,               \
                                     const Conv2dSettings&);                                               \
  template void depthwise_backward(const TensorView<const T>&, const TensorView<const T>&,                 \
                                   const TensorView<const T>&, const TensorView<T>&, const TensorView<T>&, \
                                   T*, const Conv2dSettings&, const Epilogue<T>&, const NormReduction<T>*, \
                                   const NormBackward<T>*, const BatchNorm<T>*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
