// The sliding sum behind all passes of direct convolution, and how its pixels reach scratch. Private to
// conv2d*.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "fastnn/base/shape.h"
#include "fastnn/ops/conv2d/conv2d.h"
#include "fastnn/ops/conv2d/conv2d_kernel.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {

// One axis: output o and tap t meet at position o * stride + t * step of the scratch, which holds input pixel
// position * sample + origin, or zero where there is none.
struct TapAxis {
  int64_t in, out, taps, stride, step, origin, sample;

  // What stride and step share divides out: pixels between the sampled ones are never gathered.
  TapAxis(int64_t in_size, int64_t outputs, int64_t tap_count, int64_t output_stride, int64_t tap_step,
          int64_t first);

  explicit TapAxis(const WindowAxis& a, int64_t size)
      : TapAxis(size, a.outputs(size), a.kernel, a.stride, a.dilation, -a.padding) {}

  // The same axis with positions closer by: `finer` divides sample.
  TapAxis sampled(int64_t finer) const;

  // All that the axes look at: their positions, as taps of the most outputs that one of them has. Axes with
  // several outputs have the same stride.
  static TapAxis covering(const std::vector<TapAxis>& axes);

  // All positions as taps of one output; and only those that hold pixels.
  TapAxis whole() const;
  TapAxis whole_inside() const;

  // The input pixel that tap t of output o meets.
  int64_t input(int64_t o, int64_t t) const { return (o * stride + t * step) * sample + origin; }

  // Positions that `outputs` neighbouring outputs need.
  int64_t span(int64_t outputs) const { return (outputs - 1) * stride + (taps - 1) * step + 1; }

  // Whether output and tap meet at a pixel, not at padding.
  bool on_pixels(int64_t output, int64_t tap) const {
    return input(output, tap) >= 0 && input(output, tap) < in;
  }

  // Outputs [begin, end) meet a tap at pixels, the others at padding.
  struct Outputs {
    int64_t begin, end;
    int64_t count() const { return end - begin; }
  };
  Outputs on_pixels(int64_t tap) const {
    const int64_t first = input(0, tap), apart = stride * sample;
    const int64_t end = first < in ? std::min(out, (in - 1 - first) / apart + 1) : 0;
    return {first < 0 ? std::min(end, ceil_div(-first, apart)) : 0, end};
  }
};

// Whether pixels follow each other as the rows of a matrix (N*H*W, C).
template <class T>
bool is_matrix(const TensorView<T>& x) {
  const int64_t c = x.shape[1], h = x.shape[2], w = x.shape[3];
  return x.stride[1] == 1 && (w < 2 || x.stride[3] == c) && (h < 2 || x.stride[2] == w * c) &&
         (x.shape[0] < 2 || x.stride[0] == h * w * c);
}

// From pixel to pixel of such a matrix. Along an axis of one pixel a stride means nothing: where a phase of a
// strided pass has only that one, it is the step to the phase's next.
template <class T>
int64_t row_stride(const TensorView<T>& x) {
  return x.stride[x.shape[3] > 1 ? 3 : x.shape[2] > 1 ? 2 : 0];
}

// Some outputs of one axis and the taps that they meet. Backward, the pixels p = first, first + stride, ...
// meet the same taps of the forward pass: among themselves they are the outputs of a convolution of dy with
// stride 1 and those taps, rotated.
struct Phase {
  TapAxis axis;
  int64_t first;              // pixel of the phase's output 0
  int64_t tap, tap_distance;  // tap that stands first, after rotation, and from one to the next

  static Phase forward(const WindowAxis& a, int64_t size) { return {TapAxis(a, size), 0, 0, 1}; }

  // Pixels p of `size` with (p + padding) % stride == phase.
  static Phase backward(const WindowAxis& a, int64_t size, int64_t phase) {
    const int64_t outputs = a.outputs(size);
    const int64_t first = ((phase - a.padding) % a.stride + a.stride) % a.stride;
    const int64_t count = first < size ? (size - 1 - first) / a.stride + 1 : 0;
    // Tap k touches the phase if k * dilation % stride == phase, and so does every `apart`-th after it.
    const int64_t apart = a.stride / std::gcd(a.stride, a.dilation);
    int64_t k = 0;
    while (k < std::min(apart, a.kernel) && k * a.dilation % a.stride != phase) ++k;
    if (k == std::min(apart, a.kernel)) return {{outputs, count, 0, 1, 1, 0}, first, 0, 0};
    const int64_t taps = (a.kernel - 1 - k) / apart + 1;
    // Output of the forward pass that joins the phase's pixel 0 and tap k; later taps reach back from it.
    const int64_t output = (first + a.padding - k * a.dilation) / a.stride;
    const int64_t step = apart * a.dilation / a.stride;
    return {
        {outputs, count, taps, 1, step, output - (taps - 1) * step}, first, k + (taps - 1) * apart, -apart};
  }
};

// Filters as the sum sees them; strides may be negative (rotated filters).
template <class T>
struct FilterView {
  const T* data;
  int64_t group, out, in, h, w;  // strides
};

// y[n, g*O + o, i, j] = act( sum over in, th, tw of w[g, o, in, th, tw] * g(x)[n, g*I + in, position]
//                            + residual[n, g*O + o, i, j] )
template <class T>
struct SlidingSum {
  FilterView<T> w;
  TensorView<T> y;                    // (N, groups * O, h.out, v.out), channels contiguous
  TapAxis h, v;                       // vertical, horizontal
  TensorView<const T> residual = {};  // of y's shape, or without data; channels contiguous
  int variant = 0;                    // of w, among kept filters
};

// Sums over the same pixels, which are gathered once for all of them.
template <class T>
struct Correlation {
  TensorView<const T> x;  // (N, groups * I, H, W)
  int64_t groups;
  std::vector<SlidingSum<T>> sums;
};

// The rows of a matrix (N*H*W, C), or nothing, as the pixels of an image of y's shape.
template <class T>
TensorView<const T> image_rows(const MatrixView<const T>& rows, const TensorView<T>& y) {
  TensorView<const T> image = TensorView<const T>(y);
  const int64_t pixel = rows.row_stride, line = y.shape[3] * pixel;
  image.data = rows.data;
  image.stride[0] = y.shape[2] * line, image.stride[1] = 1, image.stride[2] = line, image.stride[3] = pixel;
  return image;
}

// `kept` holds the filters as the kernels read them, see conv2d_forward. The epilogue has no residual, and
// its statistics are for a single sum.
template <class T>
void correlate(const Correlation<T>& all, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
               Kept* kept = nullptr);

// dw[g*O + o, in, th, tw] = sum over n, i, j of dy[n, g*O + o, i, j] * x[n, g*I + in, position], in C order;
// db[o] (or null) = sum of dy[n, o, i, j].
template <class T>
struct WeightCorrelation {
  TensorView<const T> dy, x;
  TapAxis h, v;
  int64_t groups;
};

template <class T>
void correlate_weights(const WeightCorrelation<T>& sum, T* dw, T* db);

// Adds up partial results (parts, groups, taps * in + 1, out), whose last row is db, to dw (groups * out, in,
// taps) and db (groups * out), which may be null. In order and in double: one float sum over a whole batch
// would lose digits.
template <class T>
void join_gradients(const T* partial, int64_t parts, int64_t groups, int64_t in, int64_t taps, int64_t out,
                    T* dw, T* db);

// The same sums, several pixels of a row together where few filters would leave lanes empty. Products with
// zero join them, so that a NaN or an infinity spreads to neighbours.
template <class T>
void correlate_jointly(const Correlation<T>& all, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
                       Kept* kept = nullptr);
// Multiply-adds of registers for a row of such a sum, for each of its channels and rows of taps.
template <class T>
int64_t joint_cost(const TapAxis& axis, int64_t filters);

template <class T>
void correlate_weights_jointly(const WeightCorrelation<T>& sum, T* dw, T* db);

// With a panel of filters and the rows being written beside it, within a second cache of 512 KB or more; and
// where more pixels at a time save what this costs in a smaller one.
constexpr int64_t kScratchBytes = 192 * 1024, kMuchScratchBytes = 3 * kScratchBytes;

constexpr int64_t kWantedChunks = 8;  // enough to balance a few threads

// How work is cut: blocks of images by bands of output rows, so that the scratch of one piece stays in the
// second cache.
struct Bands {
  int64_t images, rows;  // in all
  int64_t blocks, bands;

  // At least `wanted` pieces, if there are so many rows.
  Bands(int64_t image_count, const TapAxis& h, int64_t row_bytes, int64_t wanted,
        int64_t scratch_bytes = kScratchBytes);
  // Whole images, at most so many together.
  Bands(int64_t image_count, int64_t together)
      : images(image_count), rows(1), blocks(ceil_div(image_count, together)), bands(1) {}

  int64_t pieces() const { return blocks * bands; }
  int64_t image_begin(int64_t block) const { return part_begin(images, blocks, block); }
  int64_t row_begin(int64_t band) const { return part_begin(rows, bands, band); }
};

// One piece: images [n0, n1), output rows [row0, row1).
struct Piece {
  int64_t n0, n1, row0, row1;

  Piece(const Bands& b, int64_t index)
      : n0(b.image_begin(index / b.bands)),
        n1(b.image_begin(index / b.bands + 1)),
        row0(b.row_begin(index % b.bands)),
        row1(b.row_begin(index % b.bands + 1)) {}

  Piece(int64_t first_image, int64_t end_image, int64_t first_row, int64_t end_row)
      : n0(first_image), n1(end_image), row0(first_row), row1(end_row) {}

  int64_t images() const { return n1 - n0; }
  int64_t rows() const { return row1 - row0; }
};

// Groups whose pixels are gathered together: those of a few channels share a pixel's cache lines, and rows
// that are written for one are at hand for the next.
class Bundles {
 public:
  Bundles(int64_t group_count, int64_t group_bytes)
      : groups_(group_count), count_(ceil_div(groups_, std::max<int64_t>(kBytes / group_bytes, 1))) {}

  int64_t count() const { return count_; }
  int64_t most() const { return ceil_div(groups_, count_); }  // groups of one
  int64_t begin(int64_t bundle) const { return part_begin(groups_, count_, bundle); }

 private:
  static constexpr int64_t kBytes = 256;  // of a pixel: four cache lines, which hardware fetches as a stream
  int64_t groups_, count_;
};

// Joins the statistics (pieces, channels) of all pieces of an output whose rows are `width` pixels wide.
template <class T>
void join_statistics(const Bands& bands, int64_t width, const T* mean, const T* sum_squares, int64_t channels,
                     const Epilogue<T>& epilogue);

// Memory that a later piece will read: tiles fetch it while they compute, a cache line for each step of their
// sums.
template <class T>
class LinesAhead {
 public:
  static constexpr int64_t kLine = 64 / sizeof(T);

  // Lines `pitch` apart. Memory out of order, begin above end, is skipped, and what comes after kMost others.
  void add(const T* begin, const T* end, int64_t pitch = kLine) {
    if (count_ < kMost) ranges_[count_++] = {begin, end, pitch};
  }

  // `channels` of a row of pixels that begins with the first of them, and of those up to `end`.
  void add_pixels(const T* begin, const T* end, int64_t channels, int64_t pixel) {
    for (int64_t c = 0; c < channels; c += kLine) add(begin + c, end, pixel);
  }

  // The next `lines` of them; null when none are left.
  const T* take(int64_t lines) {
    Range* range = next();
    return range ? range->take(lines) : nullptr;
  }

  // The next lines, one for each step of the tile's sum.
  void take(GemmTile<T>& tile) {
    Range* range = next();
    tile.ahead = range ? range->take(tile.runs * tile.depth) : nullptr;
    if (range) tile.ahead_row = range->pitch;
  }

 private:
  static constexpr int kMost =
      10;  // of two operands, the four lines of a pixel that Bundles leaves, and more
  struct Range {
    const T *begin = nullptr, *end = nullptr;
    int64_t pitch = kLine;

    const T* take(int64_t lines) {
      const T* taken = begin;
      begin += lines * pitch;
      return taken;
    }
  };

  Range* next() {
    for (int i = 0; i < count_; ++i) {
      if (ranges_[i].begin < ranges_[i].end) return &ranges_[i];
    }
    return nullptr;
  }

  Range ranges_[kMost];
  int count_ = 0;
};

// The input pixels of a piece, gathered image by image into scratch [image][row position][position][channel].
template <class T>
struct GatherPlan {
  TapAxis h, v;
  int64_t channels;                   // gathered from each pixel,
  int64_t repeat = 1;                 // each this often
  int64_t channel_step = 1;           // and this far apart
  int64_t pitch = channels * repeat;  // from one position to the next
  int64_t gap = 0;                    // between images

  int64_t row_size() const { return v.span(v.out) * pitch; }
  int64_t image_size(int64_t rows) const { return h.span(rows) * row_size() + gap; }

  // The rows of x that a piece will need, of these groups.
  void add_ahead(const TensorView<const T>& x, const Piece& piece, LinesAhead<T>& ahead, int64_t first = 0,
                 int64_t groups = 1) const;

  // Channels first, first + channel_step, ... of x; for more than one group, also the `channels` that follow
  // these, each group into images of its own.
  void gather(const Conv2dKernel<T>& kernel, const TensorView<const T>& x, int64_t first, const Piece& piece,
              const Prologue<T>& prologue, T* out, int64_t groups = 1) const;
};

}  // namespace fastnn
