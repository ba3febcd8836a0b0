// The passes of a convolution as sliding sums, and the choice of algorithm.
#include "fastnn/ops/conv2d/conv2d.h"

#include <algorithm>
#include <numeric>

#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/conv2d/conv2d_im2col.h"

namespace fastnn {
namespace {

// A function of shape, dtype and instruction set alone. Direct convolution is never slower than im2col.
ConvAlgo choose(ConvAlgo wanted) { return wanted == ConvAlgo::automatic ? ConvAlgo::direct : wanted; }

// The stride of an axis with one element may be anything; kernels look at that of channels.
template <class T>
TensorView<const T> channels_stride(TensorView<const T> x) {
  if (x.shape[1] < 2) x.stride[1] = 1;
  return x;
}

// Input pixels p = first, first + stride, ... meet the same taps of the forward pass: a phase. Among
// themselves they are the outputs of a convolution of dy with stride 1 and those taps, rotated.
struct Phase {
  TapAxis axis;
  int64_t first;              // input pixel of the phase's output 0
  int64_t tap, tap_distance;  // tap that stands first after rotation, and from one to the next

  // Pixels p with (p + padding) % stride == phase.
  static Phase make(const WindowAxis& a, int64_t size, int64_t phase) {
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

// dx by direct convolution: phase by phase.
template <class T>
void backward_data(const TensorView<const T>& dy, const TensorView<const T>& w, const TensorView<T>& dx,
                   const Conv2dSettings& settings) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t filters = w.shape[0] / settings.groups;
  for (int64_t i = 0; i < h.stride; ++i) {
    const Phase row = Phase::make(h, dx.shape[2], i);
    for (int64_t j = 0; j < v.stride; ++j) {
      const Phase col = Phase::make(v, dx.shape[3], j);
      TensorView<T> y = dx;
      y.data += row.first * dx.stride[2] + col.first * dx.stride[3];
      y.shape[2] = row.axis.out;
      y.shape[3] = col.axis.out;
      y.stride[2] *= h.stride;
      y.stride[3] *= v.stride;
      const FilterView<T> rotated{w.data + row.tap * w.stride[2] + col.tap * w.stride[3],
                                  filters * w.stride[0],
                                  w.stride[1],
                                  w.stride[0],
                                  row.tap_distance * w.stride[2],
                                  col.tap_distance * w.stride[3]};
      correlate<T>({dy, rotated, y, row.axis, col.axis, settings.groups});
    }
  }
}

}  // namespace

template <class T>
void conv2d_forward(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                    const Conv2dSettings& settings, const Prologue<T>& prologue,
                    const Epilogue<T>& epilogue) {
  if (choose(settings.algo) == ConvAlgo::im2col && prologue.empty())
    return conv2d_forward_im2col(x, w, y, settings, epilogue);
  const TapAxis h(settings.window.h, x.shape[2]), v(settings.window.w, x.shape[3]);
  const int64_t filters = w.shape[0] / settings.groups;
  const FilterView<T> taps{w.data, filters * w.stride[0], w.stride[0], w.stride[1], w.stride[2], w.stride[3]};
  correlate<T>({channels_stride(x), taps, y, h, v, settings.groups}, prologue, epilogue);
}

template <class T>
void conv2d_backward(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w, TensorView<T> dx,
                     TensorView<T> dw, T* db, const Conv2dSettings& settings) {
  if (choose(settings.algo) == ConvAlgo::im2col)
    return conv2d_backward_im2col(dy, x, w, dx, dw, db, settings);
  dy = channels_stride(dy);
  if (dx.data) backward_data(dy, w, dx, settings);
  correlate_weights(dy, channels_stride(x), dw, db, settings);
}

#define FASTNN_X(T)                                                                            \
  template void conv2d_forward(TensorView<const T>, TensorView<const T>, TensorView<T>,        \
                               const Conv2dSettings&, const Prologue<T>&, const Epilogue<T>&); \
  template void conv2d_backward(TensorView<const T>, TensorView<const T>, TensorView<const T>, \
                                TensorView<T>, TensorView<T>, T*, const Conv2dSettings&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
