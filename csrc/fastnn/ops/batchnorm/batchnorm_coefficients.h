// Private to batch norm and to those who reduce for it.
#pragma once

#include <cmath>

#include "fastnn/base/allocator.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/batchnorm/batchnorm_kernel.h"

namespace fastnn {

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

}  // namespace fastnn
