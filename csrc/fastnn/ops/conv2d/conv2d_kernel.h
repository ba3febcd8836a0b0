// What convolution needs besides gemm's micro-kernel: gathering pixels into scratch, adding up what is
// scattered, and the sliding sums of depthwise filters, whose channels lie along the lanes.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"
#include "fastnn/ops/batchnorm/batchnorm_kernel.h"

namespace fastnn {

// Copies a row of pixels, through the prologue, to where the channels of a group are contiguous:
//   out[k * out_group + p * out_pixel + c * repeat + r] =
//       g(in[p * pixel_stride + (k * channels + c) * channel_stride]), k < groups, c < channels
template <class T>
struct ConvGather {
  const T* in;
  int64_t pixels, pixel_stride;
  int64_t channels, channel_stride;
  int64_t groups = 1;
  int64_t repeat;  // copies of each channel, one after another
  const T* scale;  // of channel c at c * scale_step; or null
  const T* shift;
  int64_t scale_step;
  bool relu;
  T* out;
  int64_t out_pixel, out_group;
  int64_t pixels_ahead = 0;  // asked for so early, if not 0: hardware does not follow parts of pixels
};

// The sum of rows of numbers: out[j] = sum_i in[i * in_row + j], j < width
template <class T>
struct ConvSumRows {
  const T* in;
  int64_t in_row, rows, width;
  T* out;
};

// Neighbouring taps of one row of a filter, above a row of pixels: tap k meets output pixel i in column
// first + i + k. Columns outside [0, width) are padding, and never read.
template <class T>
struct DepthwiseRun {
  const T* x;  // the pixel under output 0 and tap 0, if there is one
  int64_t first, width;
  int64_t taps;                 // 1 to kDepthwiseTaps
  int64_t weight, weight_step;  // where tap 0 stands among the weights, and from one tap to the next
};

constexpr int kDepthwiseTaps = 3;

// Memory that is needed soon, to be fetched bit by bit.
struct Ahead {
  const char* begin = nullptr;
  int64_t bytes = 0;
};

// What one row of output pixels of filters with a lane each looks at:
//   sum over runs r and their taps k of x[r][(i + k) * x_pixel + c] and weight r, k of channel c
template <class T>
struct DepthwiseSum {
  const DepthwiseRun<T>* runs;
  int64_t count;
  int64_t x_pixel;  // from column to column
  int64_t channels, pixels;
  Ahead ahead, ahead_out, ahead_norm;
};

// y[i * y_pixel + c] = act( bias[c] + residual[i * residual_pixel + c] + sum_{r, k} x * w[weight, c] )
template <class T>
struct DepthwiseRow {
  DepthwiseSum<T> sum;
  const T* w;  // (taps, channels)
  T* y;
  int64_t y_pixel;
  const T* bias;      // (channels,) or null
  const T* residual;  // or null
  int64_t residual_pixel;
  bool relu;
  T* mean;         // (channels,) running means of the `seen` pixels before these, or null
  T* sum_squares;  // (channels,) their sums of squared deviations
  int64_t seen;
  // Where norm.x is not null: y is the gradient dy of that norm's output and becomes dy', whose sums are
  // added to those of the band. Its rows are pixels, the first one that of y.
  BatchNormBand<T> norm;
};

// Two neighbouring rows of plain filters of 3x3 taps with stride 1, at least kDepthwisePairPixels wide and of
// whole registers of channels: each row's equation is that of DepthwiseRow, with pixels
//   x[(r + t) * x_row + (i + k) * x_pixel + c] and weights weight + t * weight_row + k * weight_step
// for output i of row r and tap (t, k). Rows outside of [0, height) and columns outside of [0, width) are
// padding, and never read. The runs of `rows` are not used.
template <class T>
struct DepthwisePair {
  DepthwiseRow<T> rows[2];
  const T* x;  // the pixel under output 0 of row 0 and tap (0, 0), if there is one
  int64_t x_row;
  int64_t row, height, column, width;  // where that is
  int64_t weight, weight_row, weight_step;
};

constexpr int kDepthwisePairPixels = 4;

// dw[weight, c] += sum_i x[r][(i + k) * x_pixel + c] * dy[i * dy_pixel + c]
template <class T>
struct DepthwiseWeights {
  DepthwiseSum<T> sum;
  const T* dy;
  int64_t dy_pixel;
  T* dw;  // (taps, channels)
};

// What rows of output pixels add to a block of taps:
//   dw[t * dw_row + k * dw_tap + c] += sum over n < images, r < rows, i < pixels of
//     dy[n * dy_image + r * dy_row + i * dy_pixel + c] *
//     x[n * x_image + r * x_row + t * x_tap_row + (i * stride + k * step) * x_pixel + c]
// for t < tap_rows, k < taps. Tap k of output i is in column first + i * stride + k * step; columns outside
// of [0, width) are padding, and never read.
template <class T>
struct DepthwiseBlock {
  const T* dy;
  int64_t dy_image, dy_row, dy_pixel;
  const T* x;
  int64_t x_image, x_row, x_tap_row, x_pixel;
  int64_t images, rows, pixels;
  int64_t tap_rows, taps;  // 1 to kDepthwiseTaps each
  int64_t first, stride, step, width;
  int64_t channels;
  T* dw;
  int64_t dw_row, dw_tap;
  Ahead ahead, ahead_out;
  int64_t row = 0, height = 0;  // for depthwise_block_pairs
};

template <class T>
struct Conv2dKernel {
  int lanes;  // of a register
  void (*gather)(const ConvGather<T>&);
  void (*sum_rows)(const ConvSumRows<T>&);
  void (*depthwise_row)(const DepthwiseRow<T>&);
  void (*depthwise_pair)(const DepthwisePair<T>&);  // null where registers are too few
  void (*depthwise_weights)(const DepthwiseWeights<T>&);
  void (*depthwise_block)(const DepthwiseBlock<T>&);
  // The same for 3x3 taps with stride 1 where depthwise_pair is possible. x is in row `row`; those outside of
  // [0, height) are padding too. Null like depthwise_pair.
  void (*depthwise_block_pairs)(const DepthwiseBlock<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> Conv2dKernel<T> conv2d_kernel())

}  // namespace fastnn
