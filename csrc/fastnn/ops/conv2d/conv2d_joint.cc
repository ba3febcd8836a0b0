// Direct convolution with few filters: neighbouring pixels share the registers.
//
// Six filters fill six lanes of sixteen. Two neighbouring outputs of a row, taken as one pixel with twelve
// filters, see the taps of both: KW + 1 of them instead of twice KW, with zeros where an output does not
// reach. That is a convolution again, with longer strides and wider filters, and so is its backward pass to
// the weights, whose gradients stand on as many diagonals. The zeros are multiplied too: a NaN or an infinity
// spreads to the pixels beside.
#include <algorithm>
#include <list>

#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

// Fewer accumulators wait for one another.
constexpr int64_t kAccumulators = 8;

// How many pixels to take together, and the multiply-adds of a row that way.
struct Joining {
  int64_t pixels, cost;
};

// The least of `cost(outputs, pixels)`, the multiply-adds for `outputs` pixels of a row, if it gains a tenth.
// Those left over at the end of a row are taken one by one.
template <class T, class Cost>
Joining choose_pixels(const GemmKernel<T>& gemm, int64_t outputs, int64_t filters, const Cost& cost) {
  Joining best{1, cost(outputs, 1)};
  const int64_t worth = best.cost * 9 / 10;
  for (int64_t pixels = 2; pixels <= outputs && pixels * filters <= gemm.cols; ++pixels) {
    const int64_t rest = outputs % pixels, total = cost(outputs - rest, pixels) + (rest ? cost(rest, 1) : 0);
    if (total < std::min(worth, best.cost)) best = {pixels, total};
  }
  return best;
}

int64_t taps_of(const TapAxis& axis, int64_t pixels) { return pixels == 1 ? axis.taps : axis.span(pixels); }

template <class T>
Joining choose_pixels(const GemmKernel<T>& gemm, const TapAxis& axis, int64_t filters) {
  return choose_pixels(gemm, axis.out, filters, [&](int64_t outputs, int64_t pixels) {
    const int64_t registers = ceil_div(pixels * filters, gemm.lanes);
    return taps_of(axis, pixels) * std::max(outputs / pixels * registers, kAccumulators);
  });
}

// The horizontal axis of the first outputs, `pixels` at a time, and of the last `count`, one by one.
TapAxis joined(TapAxis axis, int64_t pixels) {
  axis.taps = axis.span(pixels);
  axis.step = 1;
  axis.out /= pixels;
  axis.stride *= pixels;
  return axis;
}

TapAxis last(TapAxis axis, int64_t count) {
  axis.origin += (axis.out - count) * axis.stride * axis.sample;
  axis.out = count;
  return axis;
}

// Images likewise; a pixel's channels are dense.
template <class T>
TensorView<T> joined(TensorView<T> image, int64_t pixels) {
  image.shape[1] *= pixels;
  image.shape[3] /= pixels;
  image.stride[3] *= pixels;
  return image;
}

template <class T>
TensorView<T> last(TensorView<T> image, int64_t count) {
  image.data += (image.shape[3] - count) * image.stride[3];
  image.shape[3] = count;
  return image;
}

template <class T>
bool dense_pixels(const TensorView<T>& image) {
  return image.stride[1] == 1 && image.stride[3] == image.shape[1];
}

// Filters of joint pixels, [in][th][tw][pixel][out], where the axes are those of one pixel.
template <class T>
Buffer<T> joint_filters(const FilterView<T>& w, const TapAxis& h, const TapAxis& v, int64_t in, int64_t out,
                        int64_t pixels) {
  const int64_t width = pixels * out, row = v.span(pixels) * width;
  Buffer<T> filters(in * h.taps * row);
  std::fill_n(filters.get(), in * h.taps * row, T(0));
  for (int64_t c = 0; c < in; ++c) {
    for (int64_t th = 0; th < h.taps; ++th) {
      for (int64_t p = 0; p < pixels; ++p) {
        for (int64_t tw = 0; tw < v.taps; ++tw) {
          const T* from = w.data + c * w.in + th * w.h + tw * w.w;
          T* to = filters.get() + (c * h.taps + th) * row + (p * v.stride + tw * v.step) * width + p * out;
          for (int64_t f = 0; f < out; ++f) to[f] = from[f * w.out];
        }
      }
    }
  }
  return filters;
}

}  // namespace

template <class T>
int64_t joint_cost(const TapAxis& axis, int64_t filters) {
  return choose_pixels(FASTNN_DISPATCH(gemm_kernel<T>)(), axis, filters).cost;
}

template <class T>
void correlate_jointly(const Correlation<T>& all, const Prologue<T>& prologue, const Epilogue<T>& epilogue,
                       Kept* kept) {
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  Correlation<T> joint{all.x, all.groups, {}};
  std::list<KeptOr<Buffer<T>>> filters;
  int64_t most = 1;
  for (const SlidingSum<T>& sum : all.sums) {
    const int64_t in = all.x.shape[1], out = sum.y.shape[1];
    const bool fits = all.groups == 1 && dense_pixels(sum.y) && !epilogue.mean &&
                      (!sum.residual.data || dense_pixels(sum.residual));
    const int64_t pixels = fits ? choose_pixels(gemm, sum.v, out).pixels : 1;
    if (pixels == 1 || sum.h.taps * sum.v.taps < 2) {
      joint.sums.push_back(sum);
      continue;
    }
    most = std::max(most, pixels);
    // Variants: one pixel 0, joint filters by their pixels, those before they are packed by minus their
    // pixels.
    const int variant = static_cast<int>(pixels);
    const auto make = [&] { return joint_filters(sum.w, sum.h, sum.v, in, out, pixels); };
    const T* wide = filters.emplace_back(KeptAs{kept, -variant}, make)->get();
    const int64_t rest = sum.v.out % pixels, row = sum.v.span(pixels) * pixels * out;
    joint.sums.push_back({{wide, 0, 1, sum.h.taps * row, row, pixels * out},
                          joined(sum.y, pixels),
                          sum.h,
                          joined(sum.v, pixels),
                          joined(sum.residual, pixels),
                          variant});
    if (rest)
      joint.sums.push_back({sum.w, last(sum.y, rest), sum.h, last(sum.v, rest), last(sum.residual, rest)});
  }
  // Each pixel's bias; that of one pixel stands first.
  const int64_t channels = all.sums.empty() ? 0 : all.sums.front().y.shape[1];
  Buffer<T> bias(epilogue.bias ? most * channels : 0);
  for (int64_t i = 0; epilogue.bias && i < most; ++i)
    std::copy_n(epilogue.bias, channels, bias.get() + i * channels);
  Epilogue<T> wide_epilogue = epilogue;
  if (epilogue.bias) wide_epilogue.bias = bias.get();
  correlate(joint, prologue, wide_epilogue, kept);
}

template <class T>
void correlate_weights_jointly(const WeightCorrelation<T>& sum, T* dw, T* db) {
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t in = sum.x.shape[1], out = sum.dy.shape[1];
  const auto cost = [&](int64_t outputs, int64_t pixels) {
    const int64_t registers = ceil_div(pixels * out, gemm.lanes);
    return outputs / pixels * std::max(taps_of(sum.v, pixels) * in * registers, kAccumulators);
  };
  const bool fits = sum.groups == 1 && dense_pixels(sum.dy);
  const int64_t pixels = fits ? choose_pixels(gemm, sum.v.out, out, cost).pixels : 1;
  if (pixels == 1) return correlate_weights(sum, dw, db);

  const int64_t rest = sum.v.out % pixels, rows = in * sum.h.taps, width = sum.v.span(pixels);
  const WeightCorrelation<T> wide{joined(sum.dy, pixels), sum.x, sum.h, joined(sum.v, pixels), 1};
  Buffer<T> wide_dw(pixels * out * rows * width), wide_db(pixels * out);
  correlate_weights(wide, wide_dw.get(), db ? wide_db.get() : nullptr);
  if (rest) {
    correlate_weights<T>({last(sum.dy, rest), sum.x, sum.h, last(sum.v, rest), 1}, dw, db);
  } else {
    std::fill_n(dw, out * rows * sum.v.taps, T(0));
    if (db) std::fill_n(db, out, T(0));
  }
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t f = 0; f < out; ++f) {
      for (int64_t r = 0; r < rows; ++r) {
        const T* diagonal = wide_dw.get() + ((p * out + f) * rows + r) * width + p * sum.v.stride;
        T* taps = dw + (f * rows + r) * sum.v.taps;
        for (int64_t tw = 0; tw < sum.v.taps; ++tw) taps[tw] += diagonal[tw * sum.v.step];
      }
      if (db) db[f] += wide_db[p * out + f];
    }
  }
}

#define FASTNN_X(T)                                                                                      \
  template int64_t joint_cost<T>(const TapAxis&, int64_t);                                               \
  template void correlate_jointly(const Correlation<T>&, const Prologue<T>&, const Epilogue<T>&, Kept*); \
  template void correlate_weights_jointly(const WeightCorrelation<T>&, T*, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
