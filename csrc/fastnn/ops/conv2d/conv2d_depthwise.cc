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
#include "fastnn/ops/conv2d/conv2d_direct.h"

namespace fastnn {
namespace {

// Up to so many channels and filters a group, repeating them costs less than lanes of a tile that stay empty.
constexpr int64_t kSmallGroup = 2;
constexpr int64_t kMostPartials = 16;
constexpr int64_t kPartialPixels = 128;  // below, joining a partial result costs as much as making it

// One axis of the sum: output p belongs to phase p % phases, and is its output p / phases.
using Phases = std::vector<Phase>;

Phases forward_phases(const WindowAxis& a, int64_t size) { return {Phase::forward(a, size)}; }

Phases backward_phases(const WindowAxis& a, int64_t size) {
  Phases phases;
  for (int64_t p = 0; p < a.stride; ++p)
    phases.push_back(Phase::backward(a, size, (p + a.padding) % a.stride));
  return phases;
}

// The taps of an output row that lie inside the image.
struct TapRow {
  int64_t taps;
  int64_t input, step;        // row of the image under the first, and from one to the next
  int64_t tap, tap_distance;  // among all taps
  int64_t end;                // the first row after these, inside the image or not
};

std::vector<TapRow> tap_rows(const Phases& phases) {
  int64_t outputs = 0;
  for (const Phase& phase : phases) outputs += phase.axis.out;
  std::vector<TapRow> rows;
  for (int64_t p = 0; p < outputs; ++p) {
    const int64_t count = static_cast<int64_t>(phases.size()), o = p / count;
    const Phase& phase = phases[static_cast<size_t>(p % count)];
    const TapAxis& a = phase.axis;
    int64_t begin = 0, end = a.taps;
    while (begin < end && a.input(o, begin) < 0) ++begin;
    while (end > begin && a.input(o, end - 1) >= a.in) --end;
    rows.push_back({end - begin, a.input(o, begin), a.step * a.sample, phase.tap + begin * phase.tap_distance,
                    phase.tap_distance, a.input(o, a.taps - 1) + 1});
  }
  return rows;
}

// The taps along a row of one phase, cut into runs; x and the column are relative to a row of pixels.
struct ColumnRun {
  int64_t pixel, first, width, taps, tap, tap_step;
};

std::vector<ColumnRun> column_runs(const Phase& phase) {
  const TapAxis& a = phase.axis;
  const int64_t column = a.stride * a.sample;  // pixels from an output to the next
  std::vector<ColumnRun> runs;
  for (int64_t r = 0; r < std::min(a.stride, a.taps); ++r) {
    // Taps r, r + stride, ... meet the same pixels at outputs `step` apart.
    const int64_t taps = ceil_div(a.taps - r, a.stride);
    const int64_t parts = a.step > 1 ? taps : ceil_div(taps, int64_t{kDepthwiseTaps});
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = part_begin(taps, parts, part), end = part_begin(taps, parts, part + 1);
      const int64_t t = r + begin * a.stride, pixel = a.input(0, t);
      const int64_t rest = (pixel % column + column) % column;  // of the first column within the image
      runs.push_back({pixel, (pixel - rest) / column, ceil_div(std::max<int64_t>(a.in - rest, 0), column),
                      end - begin, phase.tap + t * phase.tap_distance, a.stride * phase.tap_distance});
    }
  }
  return runs;
}

// Of `count` equal parts, those from `first` to `end`.
Ahead share(const Ahead& all, int64_t first, int64_t end, int64_t count) {
  return {all.begin + all.bytes * first / count, all.bytes * end / count - all.bytes * first / count};
}

// Rows of pixels with a channel for every lane.
template <class T>
struct LaneRows {
  Buffer<T> scratch = {};
  const T* data = nullptr;
  int64_t slice = 0, image = 0, row = 0, pixel = 0;  // strides
  int64_t n0 = 0, row0 = 0;                          // what data points to

  const T* at(int64_t k, int64_t n, int64_t i) const {
    return data + k * slice + (n - n0) * image + (i - row0) * row;
  }
};

// Images as the lanes see them: slice k has channel k of each group, `repeat` times. Those of plain depthwise
// filters can be the output of `norm`, which is made piece by piece from x, its input.
template <class T>
struct LaneImages {
  TensorView<const T> x;
  int64_t slices, repeat;
  Prologue<T> prologue = {};
  const PieceForward<T>* norm = nullptr;
  int64_t rows_early = 0;  // how far ahead rows of x are asked for, where norm has read the next ones
  Conv2dKernel<T> kernel = FASTNN_DISPATCH(conv2d_kernel<T>)();
  int64_t groups = x.shape[1] / slices;
  bool plain = slices == 1 && repeat == 1 && prologue.empty() && x.stride[1] == 1;
  bool dense = plain && x.stride[3] == groups && x.stride[2] == x.shape[3] * groups &&
               x.stride[0] == x.shape[2] * x.stride[2];

  // Rows [row0, row1) of images [n0, n1).
  LaneRows<T> rows(int64_t n0, int64_t n1, int64_t row0, int64_t row1) const {
    if (norm) return normalised(n0, n1, row0, row1);
    LaneRows<T> rows;
    if (plain) {
      rows.data = x.data;
      rows.image = x.stride[0], rows.row = x.stride[2], rows.pixel = x.stride[3];
      return rows;
    }
    const TapAxis h(x.shape[2], x.shape[2], 1, 1, 1, 0), v(x.shape[3], x.shape[3], 1, 1, 1, 0);
    const GatherPlan<T> plan{h, v, groups, repeat, slices};
    const Piece piece(n0, n1, row0, row1);
    rows.n0 = n0, rows.row0 = row0;
    rows.pixel = plan.pitch, rows.row = plan.row_size(), rows.image = plan.image_size(piece.rows());
    rows.slice = piece.images() * rows.image;
    rows.scratch = Buffer<T>(slices * rows.slice);
    rows.data = rows.scratch.get();
    for (int64_t k = 0; k < slices; ++k)
      plan.gather(kernel, x, k, piece, prologue, rows.scratch.get() + k * rows.slice);
    return rows;
  }

  LaneRows<T> normalised(int64_t n0, int64_t n1, int64_t row0, int64_t row1) const {
    const int64_t height = x.shape[2], width = x.shape[3], pixels = (row1 - row0) * width;
    LaneRows<T> rows;
    rows.n0 = n0, rows.row0 = row0;
    rows.pixel = groups, rows.row = width * groups, rows.image = pixels * groups;
    rows.scratch = Buffer<T>((n1 - n0) * rows.image);
    rows.data = rows.scratch.get();
    for (int64_t n = n0; n < n1; ++n)
      norm->run((n * height + row0) * width, pixels, rows.scratch.get() + (n - n0) * rows.image, groups);
    return rows;
  }

  // Rows [begin, end) of all images, one after another, where they lie so.
  Ahead ahead(int64_t begin, int64_t end) const {
    begin += rows_early;
    end = std::min(end + rows_early, x.shape[0] * x.shape[2]);
    if (!dense || begin < 0 || end <= begin) return {};
    return {reinterpret_cast<const char*>(x.data + begin * x.stride[2]),
            (end - begin) * x.stride[2] * static_cast<int64_t>(sizeof(T))};
  }
};

// What forward, dx and dw share: from where in the image the rows of taps come.
template <class T>
struct LaneTaps {
  LaneImages<T> images;
  Phases h, v;
  int64_t kernel_h, kernel_w;
  int64_t lanes = images.groups * images.repeat;
  int64_t taps = images.slices * kernel_h * kernel_w;
  std::vector<TapRow> tap_rows = fastnn::tap_rows(h);
  std::vector<std::vector<ColumnRun>> columns = runs_of_phases();

  std::vector<std::vector<ColumnRun>> runs_of_phases() const {
    std::vector<std::vector<ColumnRun>> all;
    for (const Phase& phase : v) all.push_back(column_runs(phase));
    return all;
  }

  const TapRow& tap_row(int64_t p) const { return tap_rows[static_cast<size_t>(p)]; }

  // Those of an image that the outputs of a piece look at.
  struct InputRows {
    int64_t begin, end;
  };
  InputRows input_rows(const Piece& piece) const {
    int64_t begin = images.x.shape[2], end = 0;
    for (int64_t p = piece.row0; p < piece.row1; ++p) {
      const TapRow& row = tap_row(p);
      if (row.taps == 0) continue;
      begin = std::min(begin, row.input);
      end = std::max(end, row.input + (row.taps - 1) * row.step + 1);
    }
    return {std::min(begin, end), end};
  }

  LaneRows<T> rows(const Piece& piece) const {
    const InputRows needed = input_rows(piece);
    return images.rows(piece.n0, piece.n1, needed.begin, needed.end);
  }

  // What the outputs of row p, image n, that belong to column phase j look at.
  DepthwiseSum<T> sum(const LaneRows<T>& rows, int64_t n, int64_t p, size_t j,
                      std::vector<DepthwiseRun<T>>& runs) const {
    const TapRow& row = tap_row(p);
    runs.resize(static_cast<size_t>(images.slices * kernel_h) * columns[j].size());
    DepthwiseRun<T>* run = runs.data();
    for (int64_t k = 0; k < images.slices; ++k) {
      for (int64_t t = 0; t < row.taps; ++t) {
        const int64_t tap = (k * kernel_h + row.tap + t * row.tap_distance) * kernel_w;
        const T* pixels = rows.at(k, n, row.input + t * row.step);
        for (const ColumnRun& c : columns[j])
          *run++ = {pixels + c.pixel * rows.pixel, c.first,           c.width, c.taps,
                    (tap + c.tap) * lanes,         c.tap_step * lanes};
      }
    }
    const TapAxis& col = v[j].axis;
    return {runs.data(),
            run - runs.data(),
            col.stride * col.sample * rows.pixel,
            lanes,
            col.out,
            ahead(n, p, j),
            {},
            {}};
  }

  // The pixels that row p + 1 needs and row p does not.
  Ahead ahead(int64_t n, int64_t p, size_t j) const {
    if (j > 0) return {};
    const int64_t image = n * images.x.shape[2], end = tap_row(p).end;
    const bool last = p + 1 == static_cast<int64_t>(tap_rows.size());
    return images.ahead(image + end,
                        last ? image + images.x.shape[2] + tap_rows[0].end : image + tap_row(p + 1).end);
  }

  // Pieces of the images, cut at output rows.
  Bands bands(int64_t rows) const {
    const int64_t pixels = images.x.shape[2] * images.x.shape[3];
    const int64_t bytes = images.slices * lanes * pixels * static_cast<int64_t>(sizeof(T));
    return Bands(images.x.shape[0], TapAxis(rows, rows, 1, 1, 1, 0), std::max<int64_t>(bytes / rows, 1),
                 kWantedChunks);
  }
};

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

  void run_piece(const Bands& bands, int64_t index, const Buffer<T>& filters) const {
    const Piece piece(bands, index);
    const LaneRows<T> rows = x.rows(piece);
    std::vector<DepthwiseRun<T>> runs;
    const int64_t phases = static_cast<int64_t>(x.v.size());
    DepthwiseRow<T> row{};
    row.w = filters.get();
    row.bias = epilogue.bias;
    row.relu = epilogue.relu;
    row.y_pixel = phases * y.stride[3];
    row.residual_pixel = phases * epilogue.residual.row_stride;
    if (epilogue.mean) {
      row.mean = mean.get() + index * x.lanes;
      row.sum_squares = squares.get() + index * x.lanes;
    }
    if (reduce) reduce->begin(index);
    for (int64_t n = piece.n0; n < piece.n1; ++n) {
      for (int64_t p = piece.row0; p < piece.row1; ++p) {
        const int64_t pixel = (n * y.shape[2] + p) * y.shape[3];  // the first of the row
        for (int64_t j = 0; j < std::min(phases, y.shape[3]); ++j) {
          row.sum = x.sum(rows, n, p, static_cast<size_t>(j), runs);
          row.y = y.data + n * y.stride[0] + p * y.stride[2] + j * y.stride[3];
          if (epilogue.residual.data)
            row.residual = epilogue.residual.data + (pixel + j) * epilogue.residual.row_stride;
          if (reduce) row.norm = reduce->band(index, pixel + j, phases);
          if (j == 0 && p + 1 < y.shape[2]) {
            row.sum.ahead_out = {reinterpret_cast<const char*>(row.y + y.stride[2]),
                                 y.stride[2] * static_cast<int64_t>(sizeof(T))};
            if (reduce) {
              const BatchNormBand<T> next = reduce->band(index, pixel + y.shape[3]);
              row.sum.ahead_norm = {reinterpret_cast<const char*>(next.x),
                                    y.shape[3] * next.x_row * static_cast<int64_t>(sizeof(T))};
            }
          }
          kernel.depthwise_row(row);
          row.seen += row.sum.pixels;
        }
      }
    }
  }

  void run() {
    if (y.size() == 0) {
      if (reduction) PieceReduction<T>(*reduction, 0).join();
      return;
    }
    const KeptOr<Buffer<T>> filters(KeptAs{kept}, [&] { return pack_filters(); });
    const Bands bands = x.bands(y.shape[2]);
    if (x.images.norm)  // what this thread will probably read next
      x.images.rows_early = num_threads() * x.images.x.shape[0] * x.images.x.shape[2] / bands.pieces();
    if (reduction) reduce.emplace(*reduction, bands.pieces());
    if (epilogue.mean) {
      mean = Buffer<T>(bands.pieces() * x.lanes);
      squares = Buffer<T>(bands.pieces() * x.lanes);
    }
    const double flops = 2.0 * static_cast<double>(y.size()) * static_cast<double>(x.taps) /
                         static_cast<double>(x.h.size() * x.v.size());
    parallel_for(bands.pieces(), flops / kFlopsPerNs,
                 [&](int64_t index) { run_piece(bands, index, *filters); });
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
  Conv2dKernel<T> kernel = FASTNN_DISPATCH(conv2d_kernel<T>)();
  int64_t out_rows = dy.x.shape[2];
  Bands bands = x.bands(out_rows);
  int64_t size = x.taps * x.lanes;
  int64_t parts =
      std::min({bands.pieces(), kMostPartials, std::max<int64_t>(dy.x.size() / x.lanes / kPartialPixels, 1)});
  Buffer<T> partial{parts * size};

  // Whether taps are taken block by block, with all pixels of a piece. Where registers are narrow that needs
  // more instructions than row by row, and a stride, which leaves rows fewer neighbours to share, makes up.
  bool by_blocks = kernel.lanes * static_cast<int64_t>(sizeof(T)) >= 64 || x.v.front().axis.stride > 1;

  void run_part(int64_t part) const {
    T* dw = partial.get() + part * size;
    std::fill_n(dw, size, T(0));
    const int64_t end = part_begin(bands.pieces(), parts, part + 1);
    for (int64_t index = part_begin(bands.pieces(), parts, part); index < end; ++index)
      by_blocks ? add_blocks(index, dw) : add_rows(index, dw);
  }

  void add_rows(int64_t index, T* dw) const {
    const Piece piece(bands, index);
    const LaneRows<T> rows = x.rows(piece), gradients = dy.rows(piece.n0, piece.n1, piece.row0, piece.row1);
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

  void add_blocks(int64_t index, T* dw) const {
    const Piece piece(bands, index);
    const LaneRows<T> pixels = x.rows(piece), gradients = dy.rows(piece.n0, piece.n1, piece.row0, piece.row1);
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
    const Next next = after(index);
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
  struct Next {
    Ahead x, dy;
  };
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
void depthwise_backward_data(const TensorView<const T>& dy, const TensorView<const T>& w,
                             const TensorView<T>& dx, const Conv2dSettings& settings,
                             const Epilogue<T>& epilogue, const NormReduction<T>* reduction) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t filters = w.shape[0] / settings.groups;
  const FilterView<T> taps{w.data, filters * w.stride[0], w.stride[1], w.stride[0], w.stride[2], w.stride[3]};
  LaneSum<T>{{{dy, filters, w.shape[1]},
              backward_phases(h, dx.shape[2]),
              backward_phases(v, dx.shape[3]),
              h.kernel,
              v.kernel},
             taps,
             dx,
             epilogue,
             nullptr,
             reduction}
      .run();
}

template <class T>
void depthwise_backward_weights(const TensorView<const T>& dy, const TensorView<const T>& x,
                                const TensorView<T>& dw, const Conv2dSettings& settings,
                                const BatchNorm<T>* input_norm) {
  if (dy.size() == 0) {
    std::fill_n(dw.data, dw.size(), T(0));
    return;
  }
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const std::optional<PieceForward<T>> norm = piece_forward(input_norm, x);
  LaneWeights<T>{{{x, dw.shape[1], dw.shape[0] / settings.groups, {}, norm ? &*norm : nullptr},
                  forward_phases(h, x.shape[2]),
                  forward_phases(v, x.shape[3]),
                  h.kernel,
                  v.kernel},
                 {dy, 1, 1}}
      .run(dw.data);
}

#define FASTNN_X(T)                                                                                      \
  template bool depthwise_applies(const TensorView<const T>&, int64_t);                                  \
  template bool depthwise_takes_input_norm(const TensorView<const T>&, int64_t);                         \
  template void depthwise_forward(const TensorView<const T>&, const TensorView<const T>&,                \
                                  const TensorView<T>&, const Conv2dSettings&, const Prologue<T>&,       \
                                  const Epilogue<T>&, Kept*, const BatchNorm<T>*);                       \
  template void depthwise_backward_data(const TensorView<const T>&, const TensorView<const T>&,          \
                                        const TensorView<T>&, const Conv2dSettings&, const Epilogue<T>&, \
                                        const NormReduction<T>*);                                        \
  template void depthwise_backward_weights(const TensorView<const T>&, const TensorView<const T>&,       \
                                           const TensorView<T>&, const Conv2dSettings&,                  \
                                           const BatchNorm<T>*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
