// The transforms of Winograd convolution, for one tile and all channels. Between them stand matrix products.
//
// A plane is one of the (m+2)^2 positions of a transformed tile. Pixels are passed as pointers, so that an
// edge of the image is a pointer to zeros (or to a place that nobody reads) and the kernels have no borders.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

constexpr int kWinogradMaxPoints = 6;                                        // m + 2 for m = 4
constexpr int kWinogradMaxPlanes = kWinogradMaxPoints * kWinogradMaxPoints;  // of a transformed tile

// out[p * plane + c] = (B^T d B)_p of channel c;  d[i] = pixel[i][c], row-major (m+2) x (m+2).
// As `spread`: out[p * plane + c] = (A d A^T)_p;  d row-major m x m.
template <class T>
struct WinogradToPlanes {
  const T* const* pixel;
  int64_t channels;
  T* out;
  int64_t plane;
};

// pixel[i][f] = act( (A^T M A)_i + bias[f] + residual[i][f] );  M_p = in[p * plane + f].
template <class T>
struct WinogradFromPlanes {
  const T* in;
  int64_t plane, channels;
  T* const* pixel;           // m x m, row-major
  const bool* valid;         // which of them belong to the image
  const T* bias;             // (channels,) or null
  const T* const* residual;  // m x m pointers, or null
  bool relu;
  T* mean;  // (channels,) running statistics over the valid pixels, or null
  T* sum_squares;
  int64_t seen;  // pixels that they already cover
};

// out[p * plane + f] = (G g G^T)_p;  g[k] = taps[k * tap + f], row-major 3 x 3.
template <class T>
struct WinogradFilter {
  const T* taps;
  int64_t tap, channels;
  T* out;
  int64_t plane;
};

// taps[k * tap + f] = (G^T M G)_k;  M_p = in[p * plane + f].
template <class T>
struct WinogradFilterGradient {
  const T* in;
  int64_t plane, channels;
  T* taps;
  int64_t tap;
};

template <class T>
struct WinogradKernel {
  int lanes;
  void (*gather)(const WinogradToPlanes<T>&);  // B^T d B
  void (*spread)(const WinogradToPlanes<T>&);  // A dY A^T
  void (*scatter)(const WinogradFromPlanes<T>&);
  void (*filter)(const WinogradFilter<T>&);
  void (*filter_gradient)(const WinogradFilterGradient<T>&);
};

// m is 2 or 4.
FASTNN_DECLARE_KERNEL(template <class T> WinogradKernel<T> winograd_kernel(int m))

}  // namespace fastnn
