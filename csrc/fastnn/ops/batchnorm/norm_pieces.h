// Passes of batch norm for convolutions that work on rows of pixels piece by piece, while those are in cache.
#pragma once

#include <algorithm>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/batchnorm/batchnorm_coefficients.h"

namespace fastnn {

// NormReduction, for the norm before a convolution.
template <class T>
class PieceReduction {
 public:
  PieceReduction(const NormReduction<T>& reduction, int64_t pieces)
      : to_(reduction),
        coefficients_(reduction.norm, reduction.x.shape[1]),
        x_(reduction.x),
        residual_(reduction.norm.residual),
        pieces_(pieces),
        sums_(2 * pieces * channels()) {}

  // Sets the sums of piece `piece` to zero.
  void begin(int64_t piece) const { std::fill_n(sums(piece), 2 * channels(), T(0)); }

  // The norm's rows first, first + step, ..., and where their sums belong.
  BatchNormBand<T> band(int64_t piece, int64_t first, int64_t step = 1) const {
    BatchNormBand<T> band{};
    band.channels = channels();
    band.x = x_.row(first);
    band.x_row = step * x_.row_stride();
    band.residual = residual_.row(first);
    band.residual_row = step * residual_.row_stride();
    band.relu = to_.norm.relu;
    band.sums = sums(piece);
    coefficients_.give_to(band);
    return band;
  }

  // Makes rows [first, first + count) of the gradient (N*H*W, C), which are piece `piece`, dy'.
  void run(int64_t piece, int64_t first, int64_t count, T* gradient) const {
    BatchNormBand<T> band = this->band(piece, first);
    band.rows = count;
    band.dy = band.out = gradient + first * channels();
    band.dy_row = band.out_row = channels();
    band.near = true;
    kernel_.reduce(band);
  }

  // Whether the norm's output is worth computing again, from nothing but x, instead of reading it.
  bool remakes() const { return !to_.norm.residual.data; }

  // The norm's output, rows [first, first + count).
  void remake(int64_t first, int64_t count, T* out, int64_t out_row) const {
    BatchNormBand<T> band = this->band(0, first);
    band.rows = count;
    band.out = out;
    band.out_row = out_row;
    band.near = true;
    kernel_.forward(band);
  }

  const T* row(int64_t i) const { return x_.row(i); }

  // Adds all pieces up, in their order and in double.
  void join() const {
    const int64_t c = channels();
    for (int64_t j = 0; j < c; ++j) to_.sum[j] = to_.product[j] = 0;
    for (int64_t i = 0; i < pieces_; ++i) {
      const T* addend = sums(i);
      for (int64_t j = 0; j < c; ++j) {
        to_.sum[j] += static_cast<double>(addend[j]);
        to_.product[j] += static_cast<double>(addend[c + j]);
      }
    }
  }

 private:
  int64_t channels() const { return to_.x.shape[1]; }
  T* sums(int64_t piece) const { return sums_.get() + 2 * piece * channels(); }

  NormReduction<T> to_;
  BatchNormKernel<T> kernel_ = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  BatchNormCoefficients<T> coefficients_;
  PixelRows<T> x_, residual_;
  int64_t pieces_;
  Buffer<T> sums_;
};

// The norm behind a convolution on its way back.
template <class T>
class PieceBackward {
 public:
  explicit PieceBackward(const NormBackward<T>& norm)
      : coefficients_(norm.norm, norm.x.shape[1]), x_(norm.x) {
    coefficients_.set_backward(norm.norm, norm.sums, norm.training, x_.matrix().rows, norm.dgamma,
                               norm.dbeta);
  }

  // out = the norm's dx, rows from `first` on, of which dy' is given.
  void run(const MatrixView<const T>& dy, int64_t first, T* out, int64_t out_row) const {
    BatchNormBand<T> band{};
    band.rows = dy.rows;
    band.channels = dy.cols;
    band.x = x_.row(first);
    band.x_row = x_.row_stride();
    band.dy = dy.data;
    band.dy_row = dy.row_stride;
    band.out = out;
    band.out_row = out_row;
    band.near = true;
    coefficients_.give_to(band);
    kernel_.backward(band);
  }

  const T* row(int64_t i) const { return x_.row(i); }

 private:
  BatchNormKernel<T> kernel_ = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  BatchNormCoefficients<T> coefficients_;
  PixelRows<T> x_;
};

}  // namespace fastnn
