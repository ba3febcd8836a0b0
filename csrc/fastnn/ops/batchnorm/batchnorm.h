// batchnorm: normalises every channel over the batch, scales and shifts it; ReLU and a residual can follow.
//
//   statistics  mean = sum(x) / count,  var = sum((x - mean)^2) / count        biased; count values a channel
//   forward     xhat = (x - mean) / sqrt(var + eps)
//               y = act(gamma xhat + beta + residual)
//   backward    dy' = dy where y > 0 (with ReLU), else dy
//               dgamma = sum(dy' xhat),  dbeta = sum(dy'),  dresidual = dy'
//               dx = gamma / sqrt(var + eps) * (dy' - dbeta / count - xhat dgamma / count)
//               with constant statistics (inference) the two means are absent from dx
//
// Shapes: x, y, dy, residual (N, C) or (N, C, H, W); gamma, beta, mean, var (C,). Inputs have any strides,
// and are converted once unless their channels lie together; results are dense with channels last and
// overwrite. Statistics are held in double, so that nothing is lost between the passes. Neither xhat nor a
// mask of the ReLU is kept: backward takes both from x. Sums run over chunks of rows fixed by the shape and
// are joined in order, so results are the same bits for any number of threads. Thread-safe. T is float or
// double.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/batchnorm/batchnorm_kernel.h"

namespace fastnn {

template <class T>
struct BatchNorm {
  const T* gamma;
  const T* beta;
  const double* mean;
  const double* var;
  double eps;
  bool relu;
  TensorView<const T> residual;  // absent where data is null
};

// What batchnorm_backward needs of its dy, taken by whoever writes that: dy' takes dy's
// place, and sum = sum of dy' and product = sum of dy' (x - mean rounded to T) are its `sums`.
template <class T>
struct NormReduction {
  TensorView<const T> x;
  BatchNorm<T> norm;
  double *sum, *product;  // (C,)
};

// batchnorm_backward as part of a pass that reads dx piece by piece: dx is never written. dy is dy' and has
// `sums`; there is no residual.
template <class T>
struct NormBackward {
  TensorView<const T> x;
  BatchNorm<T> norm;
  bool training;
  const double* sums;
  T *dgamma, *dbeta;
};

template <class T>
void batchnorm_statistics(const TensorView<const T>& x, double* mean, double* var);

template <class T>
void batchnorm_forward(const TensorView<const T>& x, const BatchNorm<T>& norm, const TensorView<T>& y);

// Moves running statistics, in place, towards those of a batch with `count` values a channel:
// running = (1 - momentum) running + momentum batch, the variance made unbiased first. statistics holds mean
// and biased variance, 2 * channels.
template <class T>
void batchnorm_track(const double* statistics, int64_t channels, int64_t count, double momentum,
                     T* running_mean, T* running_var);

// `training` says that mean and var are those of x, and depend on it. dresidual is skipped where its data is
// null. `sums` (2, channels), or null, says that dy is dy' already, and what its sums are: of dy', and of
// dy' (x - mean rounded to T). dx may be dy's memory.
template <class T>
void batchnorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const BatchNorm<T>& norm,
                        bool training, const double* sums, const TensorView<T>& dx,
                        const TensorView<T>& dresidual, T* dgamma, T* dbeta);

// Passes for convolutions that work on rows of pixels piece by piece, while those are in cache.

// What the kernels take by channel, computed in double.
template <class T>
struct BatchNormCoefficients {
  Buffer<T> values;
  int64_t channels;

  explicit BatchNormCoefficients(const BatchNorm<T>& norm, int64_t channels)
      : values(5 * channels), channels(channels) {
    for (int64_t c = 0; c < channels; ++c) {
      const double scale = norm.gamma[c] * rstd(norm, c);
      center()[c] = static_cast<T>(norm.mean[c]);
      this->scale()[c] = static_cast<T>(scale);
      shift()[c] = static_cast<T>(norm.beta[c] - scale * lost(norm, c));
    }
  }
  // slope and offset, and with them dgamma and dbeta. `totals` are the sums of dy' and of dy' (x - center)
  // over `count` values a channel.
  void set_backward(const BatchNorm<T>& norm, const double* totals, bool training, int64_t values, T* dgamma,
                    T* dbeta) const {
    const double count = static_cast<double>(values);
    for (int64_t c = 0; c < channels; ++c) {
      const double rstd = this->rstd(norm, c), lost = this->lost(norm, c);
      const double sum_dy = totals[c], sum_dy_xhat = rstd * (totals[channels + c] - lost * sum_dy);
      const double scale = norm.gamma[c] * rstd;
      const double slope = training ? scale * rstd * sum_dy_xhat / count : 0;
      this->slope()[c] = static_cast<T>(slope);
      offset()[c] = static_cast<T>(training ? scale * sum_dy / count - slope * lost : 0);
      dgamma[c] = static_cast<T>(sum_dy_xhat);
      dbeta[c] = static_cast<T>(sum_dy);
    }
  }
  static double rstd(const BatchNorm<T>& norm, int64_t c) { return 1 / std::sqrt(norm.var[c] + norm.eps); }
  // What rounding the mean to T took from it.
  double lost(const BatchNorm<T>& norm, int64_t c) const {
    return norm.mean[c] - static_cast<double>(center()[c]);
  }
  T* center() const { return values.get(); }
  T* scale() const { return values.get() + channels; }
  T* shift() const { return values.get() + 2 * channels; }
  T* slope() const { return values.get() + 3 * channels; }
  T* offset() const { return values.get() + 4 * channels; }

  void give_to(BatchNormBand<T>& band) const {
    band.center = center();
    band.scale = scale();
    band.shift = shift();
    band.slope = slope();
    band.offset = offset();
  }
};

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

// The norm before a convolution, without residual, on its way forward.
template <class T>
class PieceForward {
 public:
  PieceForward(const BatchNorm<T>& norm, const TensorView<const T>& x)
      : coefficients_(norm, x.shape[1]), x_(x), relu_(norm.relu) {}

  // The norm's output, rows [first, first + count).
  void run(int64_t first, int64_t count, T* out, int64_t out_row) const {
    BatchNormBand<T> band{};
    band.rows = count;
    band.channels = x_.matrix().cols;
    band.x = x_.row(first);
    band.x_row = x_.row_stride();
    band.relu = relu_;
    band.out = out;
    band.out_row = out_row;
    band.near = true;
    coefficients_.give_to(band);
    kernel_.forward(band);
  }

  const T* row(int64_t i) const { return x_.row(i); }

 private:
  BatchNormKernel<T> kernel_ = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  BatchNormCoefficients<T> coefficients_;
  PixelRows<T> x_;
  bool relu_;
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
