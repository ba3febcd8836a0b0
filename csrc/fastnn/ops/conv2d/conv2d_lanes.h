// What the lanes of depthwise convolution look at: which rows of which images, and which taps meet them.
// Private to conv2d_depthwise.cc.
#pragma once

#include <algorithm>
#include <vector>

#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/conv2d/conv2d_direct.h"

namespace fastnn {

// One axis of the sum: output p belongs to phase p % phases, and is its output p / phases.
using Phases = std::vector<Phase>;

inline Phases forward_phases(const WindowAxis& a, int64_t size) { return {Phase::forward(a, size)}; }

inline Phases backward_phases(const WindowAxis& a, int64_t size) {
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

inline std::vector<TapRow> tap_rows(const Phases& phases) {
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

inline std::vector<ColumnRun> column_runs(const Phase& phase) {
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
inline Ahead share(const Ahead& all, int64_t first, int64_t end, int64_t count) {
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

  // Whether rows of output are computed two at a time.
  bool by_pairs() const {
    const auto plain = [](const Phases& phases) {
      const TapAxis& a = phases.front().axis;
      return phases.size() == 1 && a.taps == 3 && a.stride * a.sample == 1 && a.step * a.sample == 1;
    };
    return images.kernel.depthwise_pair && images.slices == 1 && plain(h) && plain(v) &&
           v.front().axis.out >= kDepthwisePairPixels && lanes % images.kernel.lanes == 0;
  }

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
            j == 0 ? ahead(n, p, 1) : Ahead{},
            {},
            {}};
  }

  // The pixels that the next `count` rows of output need and rows up to p do not.
  Ahead ahead(int64_t n, int64_t p, int64_t count) const {
    const int64_t image = n * images.x.shape[2], rows = static_cast<int64_t>(tap_rows.size());
    const int64_t next = p + count, beyond = next / rows * images.x.shape[2];
    return images.ahead(image + tap_row(p).end, image + beyond + tap_row(next % rows).end);
  }

  // Pieces of the images, cut at output rows.
  Bands bands(int64_t rows) const {
    const int64_t pixels = images.x.shape[2] * images.x.shape[3];
    const int64_t bytes = images.slices * lanes * pixels * static_cast<int64_t>(sizeof(T));
    return Bands(images.x.shape[0], TapAxis(rows, rows, 1, 1, 1, 0), std::max<int64_t>(bytes / rows, 1),
                 kWantedChunks);
  }
};

}  // namespace fastnn
