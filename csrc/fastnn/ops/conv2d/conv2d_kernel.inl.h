// See conv2d_kernel.h for the equations.
#include "fastnn/ops/conv2d/conv2d_kernel.h"

namespace fastnn::FASTNN_ISA {

// Valid lanes of the register that begins `left` elements before the end.
template <class T>
static FASTNN_INLINE int lanes_left(int64_t left) {
  return left < Vec<T>::lanes ? static_cast<int>(left) : Vec<T>::lanes;
}

template <class T, bool kAffine, bool kRelu>
static void gather_as(const ConvGather<T>& g) {
  using V = Vec<T>;
  if (g.channel_stride == 1 && g.repeat == 1) {
    // Without work by channel, pixels that follow each other are one long run.
    const bool one_run = !kAffine && g.pixel_stride == g.channels && g.out_pixel == g.channels;
    const int64_t pixels = one_run ? 1 : g.pixels, length = one_run ? g.pixels * g.channels : g.channels;
    for (int64_t p = 0; p < pixels; ++p) {
      const T* in = g.in + p * g.pixel_stride;
      T* out = g.out + p * g.out_pixel;
      for (int64_t c = 0; c < length; c += V::lanes) {
        const int n = lanes_left<T>(length - c);
        V x = V::load(in + c, n);
        if (kAffine) x = x * V::load(g.scale + c, n) + V::load(g.shift + c, n);
        if (kRelu) x = max(V::zero(), x);
        x.store(out + c, n);
      }
    }
    return;
  }
  for (int64_t c = 0; c < g.channels; ++c) {
    const T* in = g.in + c * g.channel_stride;
    T* out = g.out + c * g.repeat;
    for (int64_t p = 0; p < g.pixels; ++p) {
      T x = in[p * g.pixel_stride];
      if (kAffine) x = x * g.scale[c] + g.shift[c];
      if (kRelu && x < T(0)) x = T(0);
      for (int64_t r = 0; r < g.repeat; ++r) out[p * g.out_pixel + r] = x;
    }
  }
}

template <class T>
static void gather(const ConvGather<T>& g) {
  if (g.scale) return g.relu ? gather_as<T, true, true>(g) : gather_as<T, true, false>(g);
  g.relu ? gather_as<T, false, true>(g) : gather_as<T, false, false>(g);
}

// A few pixels at a time share each load of a weight and hide the latency of the sum.
template <class T, int kPixels>
static FASTNN_INLINE void depthwise_pixels(const DepthwiseRow<T>& g, int64_t p, int64_t c, int n) {
  using V = Vec<T>;
  V sum[kPixels];
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) sum[i] = V::zero();
  for (int64_t t = 0; t < g.taps; ++t) {
    const V w = V::load(g.w + t * g.channels + c, n);
    const T* a = g.a[t] + p * g.a_pixel + c;
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) sum[i] = fma(V::load(a + i * g.a_pixel, n), w, sum[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) sum[i].store(g.y + (p + i) * g.y_pixel + c, n);
}

template <class T>
static void depthwise_row(const DepthwiseRow<T>& g) {
  constexpr int kPixels = 8;
  for (int64_t c = 0; c < g.channels; c += Vec<T>::lanes) {
    const int n = lanes_left<T>(g.channels - c);
    int64_t p = 0;
    for (; p + kPixels <= g.pixels; p += kPixels) depthwise_pixels<T, kPixels>(g, p, c, n);
    for (; p < g.pixels; ++p) depthwise_pixels<T, 1>(g, p, c, n);
  }
}

// As many taps at a time as accumulators pay: each loads dy once.
template <class T, int kTaps>
static FASTNN_INLINE void depthwise_taps(const DepthwiseWeights<T>& g, int64_t t, int64_t c, int n) {
  using V = Vec<T>;
  V sum[kTaps];
  const T* a[kTaps];
#pragma GCC unroll 8
  for (int i = 0; i < kTaps; ++i) {
    sum[i] = V::load(g.dw + (t + i) * g.channels + c, n);
    a[i] = g.a[t + i] + c;
  }
  for (int64_t p = 0; p < g.pixels; ++p) {
    const V dy = V::load(g.dy + p * g.dy_pixel + c, n);
#pragma GCC unroll 8
    for (int i = 0; i < kTaps; ++i) sum[i] = fma(V::load(a[i] + p * g.a_pixel, n), dy, sum[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTaps; ++i) sum[i].store(g.dw + (t + i) * g.channels + c, n);
}

template <class T>
static void depthwise_weights(const DepthwiseWeights<T>& g) {
  for (int64_t c = 0; c < g.channels; c += Vec<T>::lanes) {
    const int n = lanes_left<T>(g.channels - c);
    int64_t t = 0;
    for (; t + 5 <= g.taps; t += 5) depthwise_taps<T, 5>(g, t, c, n);
    for (; t + 2 <= g.taps; t += 2) depthwise_taps<T, 2>(g, t, c, n);
    for (; t < g.taps; ++t) depthwise_taps<T, 1>(g, t, c, n);
  }
}

template <class T>
Conv2dKernel<T> conv2d_kernel() {
  return {gather<T>, depthwise_row<T>, depthwise_weights<T>};
}

template Conv2dKernel<float> conv2d_kernel<float>();
template Conv2dKernel<double> conv2d_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
