// What convolution needs besides gemm's micro-kernel: gathering pixels into scratch, and the sliding sum of
// depthwise filters.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Copies a row of pixels, through the prologue, to where channels are contiguous:
//   out[p * out_pixel + c * repeat + r] = g(in[p * pixel_stride + c * channel_stride])
template <class T>
struct ConvGather {
  const T* in;
  int64_t pixels, pixel_stride;
  int64_t channels, channel_stride;
  int64_t repeat;  // copies of each channel, one after another
  const T* scale;  // (channels,) or null
  const T* shift;
  bool relu;
  T* out;
  int64_t out_pixel;
};

// A row of output pixels of filters that see one channel each:
//   y[p * y_pixel + c] = sum_t a[t][p * a_pixel + c] * w[t * channels + c],   c < channels, p < pixels
template <class T>
struct DepthwiseRow {
  const T* const* a;
  const T* w;
  int64_t taps, channels;
  int64_t pixels, a_pixel;
  T* y;
  int64_t y_pixel;
};

// Gradients of such filters from rows of pixels:
//   dw[t * channels + c] += sum_p a[t][p * a_pixel + c] * dy[p * dy_pixel + c]
template <class T>
struct DepthwiseWeights {
  const T* const* a;
  const T* dy;
  int64_t taps, channels;
  int64_t pixels, a_pixel, dy_pixel;
  T* dw;
};

template <class T>
struct Conv2dKernel {
  void (*gather)(const ConvGather<T>&);
  void (*depthwise_row)(const DepthwiseRow<T>&);
  void (*depthwise_weights)(const DepthwiseWeights<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> Conv2dKernel<T> conv2d_kernel())

}  // namespace fastnn
