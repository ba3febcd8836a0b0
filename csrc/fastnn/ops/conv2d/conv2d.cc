// The passes of a convolution as sliding sums, and the choice of algorithm.
#include "fastnn/ops/conv2d/conv2d.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/conv2d/conv2d_depthwise.h"
#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/conv2d/conv2d_im2col.h"
#include "fastnn/ops/conv2d/conv2d_pointwise.h"
#include "fastnn/ops/conv2d/conv2d_scatter.h"
#include "fastnn/ops/winograd/winograd.h"

namespace fastnn {
namespace {

// The stride of an axis with one element may be anything; kernels look at that of channels.
template <class T>
TensorView<const T> channels_stride(TensorView<const T> x) {
  if (x.shape[1] < 2) x.stride[1] = 1;
  return x;
}

// dx += residual, where the kernels cannot add it on their way out: they do not write dx row by row.
template <class T>
void add_rows(const MatrixView<const T>& residual, const TensorView<T>& dx) {
  constexpr int64_t kChunkRows = 256;
  const int64_t channels = residual.cols;
  const double bytes = 3.0 * sizeof(T) * static_cast<double>(dx.size());
  parallel_for(ceil_div(residual.rows, kChunkRows), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t end = std::min(residual.rows, (chunk + 1) * kChunkRows);
    for (int64_t i = chunk * kChunkRows; i < end; ++i) {
      const T* from = residual.data + i * residual.row_stride;
      T* to = dx.data + i * channels;
      for (int64_t c = 0; c < channels; ++c) to[c] += from[c];
    }
  });
}

// Whether sums must have nothing but the terms of the definition.
bool plain_sums(const Conv2dSettings& settings) { return settings.algo == ConvAlgo::direct; }

template <class T>
void fill_zero(const TensorView<T>& dx) {
  constexpr int64_t kChunk = 1 << 15;
  const double bytes = sizeof(T) * static_cast<double>(dx.size());
  parallel_for(ceil_div(dx.size(), kChunk), bytes / kBytesPerNs, [&](int64_t chunk) {
    std::fill(dx.data + chunk * kChunk, dx.data + std::min(dx.size(), (chunk + 1) * kChunk), T(0));
  });
}

// Whether a window meets every pixel that it strides over.
bool every_phase_has_taps(const WindowAxis& a) {
  for (int64_t i = 0; i < a.stride; ++i) {
    if (Phase::backward(a, 1, i).axis.taps == 0) return false;
  }
  return true;
}

// dx by direct convolution: each phase a sum over the same dy. The residual is added where every phase has
// taps.
template <class T>
void backward_data(const TensorView<const T>& dy, const TensorView<const T>& w, const TensorView<T>& dx,
                   const Conv2dSettings& settings, const MatrixView<const T>& residual) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t filters = w.shape[0] / settings.groups;
  if (scatter_pays(dy, dx, settings, !plain_sums(settings)))
    return scatter_backward_data(dy, w, dx, settings, residual);
  if (!every_phase_has_taps(h) || !every_phase_has_taps(v)) fill_zero(dx);
  Correlation<T> all{dy, settings.groups, {}};
  for (int64_t i = 0; i < h.stride; ++i) {
    const Phase row = Phase::backward(h, dx.shape[2], i);
    for (int64_t j = 0; j < v.stride; ++j) {
      const Phase col = Phase::backward(v, dx.shape[3], j);
      if (row.axis.taps == 0 || col.axis.taps == 0 || row.axis.out == 0 || col.axis.out == 0) continue;
      const auto pixels_of_phase = [&](auto image) {
        if (image.data) image.data += row.first * image.stride[2] + col.first * image.stride[3];
        image.shape[2] = row.axis.out;
        image.shape[3] = col.axis.out;
        image.stride[2] *= h.stride;
        image.stride[3] *= v.stride;
        return image;
      };
      const FilterView<T> rotated{w.data + row.tap * w.stride[2] + col.tap * w.stride[3],
                                  filters * w.stride[0],
                                  w.stride[1],
                                  w.stride[0],
                                  row.tap_distance * w.stride[2],
                                  col.tap_distance * w.stride[3]};
      all.sums.push_back(
          {rotated, pixels_of_phase(dx), row.axis, col.axis, pixels_of_phase(image_rows(residual, dx))});
    }
  }
  plain_sums(settings) ? correlate<T>(all, {}, {}) : correlate_jointly<T>(all, {}, {});
}

// dw and db by direct convolution.
template <class T>
void backward_weights(const TensorView<const T>& dy, const TensorView<const T>& x, const TensorView<T>& dw,
                      T* db, const Conv2dSettings& settings) {
  const TapAxis h(settings.window.h, x.shape[2]), v(settings.window.w, x.shape[3]);
  const WeightCorrelation<T> sum{dy, x, h, v, settings.groups};
  plain_sums(settings) ? correlate_weights(sum, dw.data, db) : correlate_weights_jointly(sum, dw.data, db);
}

template <class T>
ConvAlgo resolve(const TensorView<const T>& x, int64_t f, const Conv2dSettings& settings,
                 bool filters_ready = false) {
  return settings.algo == ConvAlgo::automatic ? conv2d_choose<T>(x.shape, f, settings, filters_ready)
                                              : settings.algo;
}

// With few channels dx gains nothing, and dw is chosen by thin_weights_pay.
template <class T>
ConvAlgo resolve_backward(const TensorView<const T>& x, int64_t f, const Conv2dSettings& settings) {
  const bool thin = settings.algo == ConvAlgo::automatic && x.shape[1] <= winograd_thin_channels();
  return thin ? ConvAlgo::direct : resolve<T>(x, f, settings);
}

// Vector multiply-adds (or their time) of one pass over an output of `pixels`, by either algorithm. The
// constants are fitted to measurements on one AVX-512 core: what share of the peak the products reach, and
// the transforms of one register of channels in a tile, which wait for memory more than they compute.
struct Cost {
  double lanes, c, f;
  bool filters_ready;  // transformed once for many calls

  double direct(double pixels) const { return pixels * 9 * c * std::ceil(f / lanes) / 0.8; }
  double winograd(int m, double tiles) const {
    const double planes = (m + 2) * (m + 2);
    return winograd(planes, planes, planes, planes, 18, tiles);
  }
  // With stride 2.
  double winograd_strided(double tiles) const { return winograd(81, 25, 36, 81, 16, tiles); }
  // The thin form. Direct sums of so few filters take half a register, or several pixels at a time.
  double winograd_thin(double tiles) const {
    if (2 * f <= lanes) return std::numeric_limits<double>::infinity();
    return tiles * (std::ceil(f / lanes) * (80 * c + 110) + 40 * c + 20);
  }
  // The gradient of the filters, directly: a few rows of a tile wait for their loads.
  double direct_weights(double pixels) const { return std::max(direct(pixels), 18 * pixels); }
  // In the thin form, on `rows` of pixels cut into `tiles` in all. Fewer registers than those of AVX-512 do
  // not hold its sums.
  double thin_weights(double images, double rows, double tiles) const {
    if (2 * f <= lanes || lanes < 16) return std::numeric_limits<double>::infinity();
    return std::ceil(f / lanes) * (tiles * (16 * c + 24) + 40 * rows) + tiles * (2 * c + 12) + 300 * images;
  }

 private:
  double winograd(double planes_in, double planes_out, double planes, double terms, double a_plane,
                  double tiles) const {
    const double transforms =
        a_plane * (planes_in * std::ceil(c / lanes) + planes_out * std::ceil(f / lanes));
    const double filters = filters_ready ? 0 : planes * c * std::ceil(f / lanes) * 3;
    return tiles * (terms * c * std::ceil(f / lanes) / 0.75 + transforms) + filters;
  }
};

// Larger tiles multiply less; smaller ones waste less where an image is not a multiple of 4 wide and high.
int winograd_tile(const int64_t (&shape)[kMaxRank]) {
  const int64_t waste4 = round_up(shape[2], 4) * round_up(shape[3], 4),
                waste2 = round_up(shape[2], 2) * round_up(shape[3], 2);
  // 36/16 against 16/4 multiplications a pixel.
  return static_cast<double>(waste4) * 36 / 16 <= static_cast<double>(waste2) * 16 / 4 ? 4 : 2;
}

// Whether the thin form has dw faster than direct sums.
template <class T>
bool thin_weights_pay(const TensorView<const T>& x, const TensorView<const T>& dy,
                      const Conv2dSettings& settings) {
  if (sizeof(T) == 8 || settings.algo != ConvAlgo::automatic || !winograd_applies(settings) ||
      !winograd_is_thin(winograd_tile(dy.shape), settings.window.h.stride, x.shape[1])) {
    return false;
  }
  const Cost cost{static_cast<double>(winograd_lanes<T>()), static_cast<double>(x.shape[1]),
                  static_cast<double>(dy.shape[1]), false};
  const double images = static_cast<double>(dy.shape[0]), rows = images * static_cast<double>(dy.shape[2]);
  const double tiles = rows * static_cast<double>(ceil_div(dy.shape[3], 4));
  return cost.thin_weights(images, rows, tiles) <
         cost.direct_weights(rows * static_cast<double>(dy.shape[3]));
}

}  // namespace

bool winograd_applies(const Conv2dSettings& settings) {
  const auto fits = [](const WindowAxis& a) {
    return a.kernel == 3 && a.stride <= 2 && a.dilation == 1 && a.padding <= 2 && a.overhang == 0;
  };
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  return settings.groups == 1 && fits(h) && fits(v) && h.stride == v.stride;
}

template <class T>
ConvAlgo conv2d_choose(const int64_t (&x)[kMaxRank], int64_t f, const Conv2dSettings& settings,
                       bool filters_ready) {
  // float64 has no speed target, and direct sums are exact for small integers.
  if (sizeof(T) == 8 || !winograd_applies(settings)) return ConvAlgo::direct;
  const int64_t out_h = settings.window.h.outputs(x[2]), out_w = settings.window.w.outputs(x[3]);
  const int64_t shape[kMaxRank] = {x[0], f, out_h, out_w};
  const bool strided = settings.window.h.stride == 2;
  const int m = strided ? 4 : winograd_tile(shape);
  const double lanes = winograd_lanes<T>();
  const Cost cost{lanes, static_cast<double>(x[1]), static_cast<double>(f), filters_ready};
  const double tiles = static_cast<double>(x[0] * ceil_div(out_h, m) * ceil_div(out_w, m));
  const double pixels = static_cast<double>(x[0] * out_h * out_w);
  const bool thin = winograd_is_thin(m, settings.window.h.stride, x[1]);
  const double winograd = thin      ? cost.winograd_thin(tiles)
                          : strided ? cost.winograd_strided(tiles)
                                    : cost.winograd(m, tiles);
  return winograd < cost.direct(pixels) ? ConvAlgo::winograd : ConvAlgo::direct;
}

template <class T>
bool conv2d_reduces(const TensorView<const T>& x, const TensorView<const T>& w,
                    const Conv2dSettings& settings) {
  const ConvAlgo algo = resolve_backward<T>(x, w.shape[0], settings);
  if (algo != ConvAlgo::direct) return algo == ConvAlgo::winograd;
  return depthwise_applies(w, settings.groups) || pointwise_applies(settings);
}

template <class T>
bool conv2d_takes_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                       const Conv2dSettings& settings) {
  return resolve<T>(x, w.shape[0], settings) == ConvAlgo::direct &&
         (pointwise_applies(settings) || depthwise_takes_norm(x, w, settings));
}

template <class T>
bool conv2d_takes_input_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                             const Conv2dSettings& settings) {
  const ConvAlgo algo = resolve_backward<T>(x, w.shape[0], settings);
  if (algo != ConvAlgo::direct) return algo == ConvAlgo::winograd;
  return depthwise_takes_input_norm(w, settings.groups) || pointwise_applies(settings);
}

template <class T>
void conv2d_forward(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                    const Conv2dSettings& settings, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
                    Kept* kept, const BatchNorm<T>* input_norm) {
  const ConvAlgo algo = resolve<T>(x, w.shape[0], settings, kept != nullptr);
  if (algo == ConvAlgo::im2col && prologue.empty()) return conv2d_forward_im2col(x, w, y, settings, epilogue);
  if (algo == ConvAlgo::winograd && prologue.empty()) {
    return winograd_forward<T>(winograd_tile(y.shape), settings.window.h.stride, x, w,
                               settings.window.h.padding, settings.window.w.padding, y, epilogue, kept,
                               input_norm);
  }
  if (depthwise_applies(w, settings.groups))
    return depthwise_forward(channels_stride(x), w, y, settings, prologue, epilogue, kept, input_norm);
  if (input_norm) return pointwise_forward(x, w, y, epilogue, *input_norm);
  const TapAxis h(settings.window.h, x.shape[2]), v(settings.window.w, x.shape[3]);
  const int64_t filters = w.shape[0] / settings.groups;
  const FilterView<T> taps{w.data, filters * w.stride[0], w.stride[0], w.stride[1], w.stride[2], w.stride[3]};
  const Correlation<T> sum{
      channels_stride(x), settings.groups, {{taps, y, h, v, image_rows(epilogue.residual, y)}}};
  Epilogue<T> rest = epilogue;
  rest.residual = {};
  plain_sums(settings) ? correlate(sum, prologue, rest, kept) : correlate_jointly(sum, prologue, rest, kept);
}

template <class T>
void conv2d_backward(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w, TensorView<T> dx,
                     TensorView<T> dw, T* db, const Conv2dSettings& settings,
                     const TensorView<const T>& dx_residual, const NormReduction<T>* before,
                     const NormBackward<T>* behind, const BatchNorm<T>* input_norm) {
  const ConvAlgo algo = resolve_backward<T>(x, w.shape[0], settings);
  const PixelRows<T> residual(dx_residual);
  const bool depthwise = depthwise_applies(w, settings.groups);
  const bool all_phases = every_phase_has_taps(settings.window.h) && every_phase_has_taps(settings.window.w);
  Epilogue<T> epilogue;
  if ((all_phases || depthwise) && algo != ConvAlgo::im2col) epilogue.residual = residual.matrix();
  if (algo == ConvAlgo::im2col) {
    conv2d_backward_im2col(dy, x, w, dx, dw, db, settings);
  } else if (algo == ConvAlgo::winograd) {
    const int64_t pad_h = settings.window.h.padding, pad_w = settings.window.w.padding;
    const int64_t stride = settings.window.h.stride;
    if (dx.data)
      winograd_backward_data<T>(winograd_tile(dx.shape), stride, dy, w, pad_h, pad_w, dx, epilogue, before);
    const int m = winograd_tile(dy.shape);
    if (dw.data && !input_norm && winograd_is_thin(m, stride, x.shape[1])) {
      winograd_thin_backward_weights<T>(dy, x, pad_h, pad_w, dw.data, db);
    } else {
      if (dw.data) winograd_backward_weights<T>(m, stride, dy, x, pad_h, pad_w, dw.data, input_norm);
      if (db) column_sums<T>(PixelRows<T>(dy).matrix(), db);
    }
  } else if (depthwise) {
    depthwise_backward(dy, x, w, dx, dw, db, settings, epilogue, before, behind, input_norm);
  } else if (before || behind || input_norm) {
    pointwise_backward(dy, x, w, dx, dw, db, epilogue, before, behind, input_norm);
  } else {
    dy = channels_stride(dy);
    if (dx.data) backward_data(dy, w, dx, settings, epilogue.residual);
    if (dw.data && thin_weights_pay(x, dy, settings)) {
      winograd_thin_backward_weights<T>(dy, x, settings.window.h.padding, settings.window.w.padding, dw.data,
                                        db);
    } else if (dw.data) {
      backward_weights(dy, channels_stride(x), dw, db, settings);
    }
  }
  if (dx.data && residual.matrix().data && !epilogue.residual.data) add_rows(residual.matrix(), dx);
}

#define FASTNN_X(T)                                                                                          \
  template ConvAlgo conv2d_choose<T>(const int64_t(&)[kMaxRank], int64_t, const Conv2dSettings&, bool);      \
  template void conv2d_forward(TensorView<const T>, TensorView<const T>, TensorView<T>,                      \
                               const Conv2dSettings&, const Prologue<T>&, const Epilogue<T>&, Kept*,         \
                               const BatchNorm<T>*);                                                         \
  template void conv2d_backward(TensorView<const T>, TensorView<const T>, TensorView<const T>,               \
                                TensorView<T>, TensorView<T>, T*, const Conv2dSettings&,                     \
                                const TensorView<const T>&, const NormReduction<T>*, const NormBackward<T>*, \
                                const BatchNorm<T>*);                                                        \
  template bool conv2d_takes_input_norm<T>(const TensorView<const T>&, const TensorView<const T>&,           \
                                           const Conv2dSettings&);                                           \
  template bool conv2d_reduces<T>(const TensorView<const T>&, const TensorView<const T>&,                    \
                                  const Conv2dSettings&);                                                    \
  template bool conv2d_takes_norm<T>(const TensorView<const T>&, const TensorView<const T>&,                 \
                                     const Conv2dSettings&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
