// The transforms of Winograd convolution, for one tile and all channels. Between them stand matrix products.
//
// A plane is one position of a transformed tile, row-major.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// What a tile is.
enum class WinogradForm {
  two,       // 2 x 2 outputs of a convolution with stride 1
  four,      // 4 x 4
  halving,   // 4 x 4 outputs of one with stride 2
  doubling,  // 8 x 8 pixels of the gradient of such a convolution's input
};

// A product's sum along one axis: of transformed data by transformed filters, one or two terms.
struct WinogradSum {
  int terms;
  int data[2], filter[2];
};

// Every second pixel of a tile along an axis, or all of them: what a run of products gives.
struct WinogradPhase {
  int first, products;
};

// The squares of a form, by their sides. A product (i, j) sums up the terms of both axes' sums:
// data (d, e) by filter (g, h) for each (d, g) of sums[i] and (e, h) of sums[j].
struct WinogradShape {
  int window, tile;             // pixels in and out
  int data, filters, products;  // planes
  const WinogradSum* sums;      // [products]
  int phases;                   // pixel i of a tile belongs to phase i % phases, along both axes alike
  WinogradPhase phase[2];       // [phases]

  // Multiplications a tile, for each channel and filter.
  int terms() const {
    int side = 0;
    for (int i = 0; i < products; ++i) side += sums[i].terms;
    return side * side;
  }
  // Products of a phase.
  int most_products() const {
    const int side = phase[0].products > phase[1].products ? phase[0].products : phase[1].products;
    return side * side;
  }
};

// A square of an image: pixel (i, j) lies at corner + i * row + j * col. Those outside of rows [top, bottom)
// and columns [left, right) are beyond the image's edge: they are read as zeros and not written.
template <class T>
struct WinogradPatch {
  T* corner;
  int64_t row, col;
  int top, bottom, left, right;

  int64_t inside() const { return static_cast<int64_t>(bottom - top) * (right - left); }
};

// out[p * plane + c] = (B^T g(d) B)_p of channel c;  d the window's pixels. With an input norm g(d) is
// max(floor, (d - center) * scale + shift) by channel, and zero beyond the image's edge; without, g(d) = d.
// As `spread`: out[p * plane + c] = (A d A^T)_p;  d those of a tile.
template <class T>
struct WinogradToPlanes {
  WinogradPatch<const T> pixels;
  int64_t channels;
  T* out;
  int64_t plane;
  const T *center = nullptr, *scale = nullptr, *shift = nullptr;  // (channels,), of an input norm, or null
  T floor = 0;
};

// The thin form is for so many channels. Its products never leave the registers, and its planes lie at
// distances that the compiler knows.
constexpr int kThinChannels = 4;
constexpr int kThinNumbers = 64, kThinPlane = kThinNumbers + 16;

// The windows of neighbouring tiles, of so few channels that tiles by channels stand along the lanes:
//   out[p * kThinPlane + k] = (B^T d_k B)_p;  k = t * channels + c, pixel (i, j) of tile t and channel c:
//   d_k = pixels[i * row + j % m * phase + j / m * channels + k]    for tiles of m x m outputs
// Pixels are readable, and planes written, up to whole registers.
template <class T>
struct WinogradThinToPlanes {
  const T* pixels;
  int64_t row, phase, channels, numbers;  // k < numbers, at most kThinNumbers
  T* out;
};

// What the gradient of few channels' filters adds up, of one register of filters and a strip of a row of
// tiles, on which rows are transformed and columns are not, M^v = sum over rows of pixels i and tiles t:
//   M^v_{p, c} += data[(i + v) * planes + p][t * depth + c] * (A dy_{i, t})_p
// data in planes kThinPlane apart; dy_{i, t} the pixels from dy + i * row + t * m * col, those from `width`
// on zeros.
template <class T>
struct WinogradThinSums {
  const T* data;
  const T* dy;
  int64_t row, col, ahead;  // ahead: to pixels that will be needed next
  int64_t rows, width;
  int depth, filters;  // at most kThinChannels, and a register
  bool bias;           // whether to add dy itself up
  T* sums;             // [p][v][channel][lane], then those of dy
};

// pixel[i][f] = act( (A^T M A)_i + bias[f] + residual[i][f] );  M_p = in[p * plane + f], p the products of
// one phase, whose pixels those of a tile are.
template <class T>
struct WinogradFromPlanes {
  const T* in;
  int64_t plane, channels;
  WinogradPatch<T> pixels;          // a tile
  const T* bias;                    // (channels,) or null
  WinogradPatch<const T> residual;  // as pixels, or its corner is null
  bool relu;
  T* mean;  // (channels,) running statistics over the pixels of the image, or null
  T* sum_squares;
  int64_t seen;  // pixels that they already cover
  // For a batch norm whose output's gradient this is, see NormReduction: d replaces pixel, and its sums are
  // added to sum and product.
  WinogradPatch<const T> norm_x, norm_residual;  // as pixels, or their corners are null
  bool norm_relu;
  const T *center, *scale, *shift;  // (channels,), see BatchNormBand
  T* sum;
  T* product;
};

// The same for tiles side by side, the first of which is at the left edge of `tile.pixels`, and one register
// of filters: M_p = sum_c in[p * kThinPlane + t * depth + c] * filters[(p * depth + c) * lanes + f], c <
// depth. No tile but the last may reach beyond the image's right edge.
template <class T>
struct WinogradThinTiles {
  WinogradFromPlanes<T> tile;  // the first; without a reduction
  int64_t tiles, width;        // columns from its left edge to the image's right one
  const T* filters;
  int depth;  // at most kThinChannels
};

// products[t][f] (+)= sum_c data[t][c] * filters[c][f] in one plane, for one register of filters f. Those are
// too few for the micro-kernel of gemm, whose calls would cost as much as what they compute.
template <class T>
struct WinogradProduct {
  const T* data;     // (tiles, channels)
  const T* filters;  // (channels, lanes)
  T* products;       // (tiles, lanes)
  int64_t tiles, channels;
  bool accumulate;
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
  WinogradShape shape;
  int lanes;
  int strip;                                            // tiles that `multiply` takes at a time
  void (*gather)(const WinogradToPlanes<T>&);           // B^T d B
  void (*spread)(const WinogradToPlanes<T>&);           // A dY A^T; null for `doubling`
  void (*scatter[2][2])(const WinogradFromPlanes<T>&);  // [phase of rows][of columns]
  void (*thin_gather)(const WinogradThinToPlanes<T>&);  // of `four` alone, as is
  void (*thin_tiles)(const WinogradThinTiles<T>&);
  // out[(i * planes + p) * kThinPlane + k] = (B^T d_k)_p for row i < rows of the windows
  void (*thin_gather_rows)(const WinogradThinToPlanes<T>&, int64_t rows);
  void (*thin_sums)(const WinogradThinSums<T>&);
  // taps[((3 * v + h) * depth + channel) * row + f] = (G^T M^v)_h, then a row of the sums of dy; into n lanes
  void (*thin_gradient)(const T* sums, int depth, int n, T* taps, int64_t row);
  void (*multiply)(const WinogradProduct<T>&);
  void (*filter)(const WinogradFilter<T>&);
  void (*filter_gradient)(const WinogradFilterGradient<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> WinogradKernel<T> winograd_kernel(WinogradForm form))

}  // namespace fastnn
