// NormReduction for a gradient that is written as rows of pixels, piece by piece: each is reduced while it is
// in cache.
#pragma once

#include <algorithm>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/batchnorm/batchnorm_coefficients.h"

namespace fastnn {

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
    band.dy_row = channels();
    kernel_.reduce(band);
  }

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

}  // namespace fastnn
