// Cutting work into pieces, and gathering the pixels of one.
#include <numeric>

#include "fastnn/ops/conv2d/conv2d_direct.h"

namespace fastnn {
namespace {

constexpr int64_t kPixelsAhead = 8;  // as many cache lines as a core can wait for

}  // namespace

TapAxis::TapAxis(int64_t in_size, int64_t outputs, int64_t tap_count, int64_t output_stride, int64_t tap_step,
                 int64_t first)
    : in(in_size), out(outputs), taps(tap_count), stride(output_stride), step(tap_step), origin(first) {
  if (taps < 2) step = 0;
  if (out < 2) stride = std::max<int64_t>(step, 1);
  sample = std::max<int64_t>(std::gcd(stride, step), 1);
  stride /= sample;
  step /= sample;
}

TapAxis TapAxis::sampled(int64_t finer) const {
  TapAxis axis = *this;
  axis.stride *= sample / finer;
  axis.step *= sample / finer;
  axis.sample = finer;
  return axis;
}

TapAxis TapAxis::whole() const {
  TapAxis axis = *this;
  axis.taps = span(out);
  axis.out = axis.stride = axis.step = 1;
  return axis;
}

TapAxis TapAxis::whole_inside() const {
  TapAxis axis = whole();
  const int64_t before = origin < 0 ? ceil_div(-origin, sample) : 0;
  const int64_t end = origin < in ? std::min(axis.taps, (in - 1 - origin) / sample + 1) : 0;
  axis.origin += before * sample;
  axis.taps = std::max<int64_t>(end - before, 0);
  return axis;
}

TapAxis TapAxis::covering(const std::vector<TapAxis>& axes) {
  TapAxis all = axes.front();
  for (const TapAxis& axis : axes) {
    all.sample = std::gcd(std::gcd(all.sample, axis.sample), axis.origin - all.origin);
    all.origin = std::min(all.origin, axis.origin);
  }
  all.taps = all.stride = all.step = 1;
  for (TapAxis axis : axes) {
    axis = axis.sampled(all.sample);
    all.taps = std::max(all.taps, (axis.origin - all.origin) / all.sample + axis.span(1));
    all.out = std::max(all.out, axis.out);
    if (axis.out > 1) all.stride = axis.stride;
  }
  return all;
}

Bands::Bands(int64_t image_count, const TapAxis& h, int64_t row_bytes, int64_t wanted, int64_t scratch_bytes)
    : images(image_count), rows(h.out) {
  const int64_t room = std::max<int64_t>(scratch_bytes / row_bytes, 1);  // rows of scratch
  if (h.span(rows) <= room) {
    const int64_t together = room / h.span(rows);
    blocks = std::min(images, std::max(ceil_div(images, together), wanted));
    bands = std::min(rows, ceil_div(wanted, blocks));
  } else {
    const int64_t fit = (room - 1 - (h.taps - 1) * h.step) / h.stride + 1;
    blocks = images;
    bands = std::min(rows, std::max(ceil_div(rows, std::max<int64_t>(fit, 1)), ceil_div(wanted, blocks)));
  }
}

template <class T>
void GatherPlan<T>::add_ahead(const TensorView<const T>& x, const Piece& piece, LinesAhead<T>& ahead,
                              int64_t first, int64_t groups) const {
  const auto row = [&](int64_t n, int64_t position) {
    const int64_t i = std::clamp<int64_t>(position * h.sample + h.origin, 0, h.in - 1);
    return x.data + n * x.stride[0] + i * x.stride[2];
  };
  const T* begin = row(piece.n0, piece.row0 * h.stride);
  const T* end = row(piece.n1 - 1, piece.row0 * h.stride + h.span(piece.rows()) - 1) + v.in * x.stride[3];
  if (groups * channels == x.shape[1] || x.stride[1] != 1) {
    ahead.add(begin, end);
  } else {
    ahead.add_pixels(begin + first, end, groups * channels, x.stride[3]);
  }
}

template <class T>
void GatherPlan<T>::gather(const Conv2dKernel<T>& kernel, const TensorView<const T>& x, int64_t first,
                           const Piece& piece, const Prologue<T>& prologue, T* out, int64_t groups) const {
  const int64_t width = v.span(v.out);
  // Positions [left, right) of a row hold pixels, the others padding.
  const int64_t left = std::min(width, v.origin < 0 ? ceil_div(-v.origin, v.sample) : 0);
  const int64_t right = v.origin < v.in ? std::min(width, (v.in - 1 - v.origin) / v.sample + 1) : 0;
  const int64_t pixels = std::max<int64_t>(right - left, 0);

  ConvGather<T> row{};
  row.pixels = pixels;
  row.pixel_stride = v.sample * x.stride[3];
  row.channels = channels;
  row.channel_stride = channel_step * x.stride[1];
  row.groups = groups;
  row.repeat = repeat;
  row.scale = prologue.scale ? prologue.scale + first : nullptr;
  row.shift = prologue.shift ? prologue.shift + first : nullptr;
  row.scale_step = channel_step;
  row.relu = prologue.relu;
  row.out_pixel = pitch;
  row.out_group = piece.images() * image_size(piece.rows());
  if (groups * channels < x.shape[1]) row.pixels_ahead = kPixelsAhead;
  const auto zero = [&](T* begin, int64_t positions) {
    for (int64_t g = 0; g < groups; ++g) std::fill_n(begin + g * row.out_group, positions * pitch, T(0));
  };
  for (int64_t n = piece.n0; n < piece.n1; ++n, out += gap) {
    for (int64_t r = 0; r < h.span(piece.rows()); ++r, out += row_size()) {
      const int64_t i = (piece.row0 * h.stride + r) * h.sample + h.origin;
      if (i < 0 || i >= h.in || pixels == 0) {
        zero(out, width);
        continue;
      }
      zero(out, left);
      row.in = x.data + n * x.stride[0] + first * x.stride[1] + i * x.stride[2] +
               (left * v.sample + v.origin) * x.stride[3];
      row.out = out + left * pitch;
      kernel.gather(row);
      zero(out + (left + pixels) * pitch, width - left - pixels);
    }
  }
}

template struct GatherPlan<float>;
template struct GatherPlan<double>;

}  // namespace fastnn
