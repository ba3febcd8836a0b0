// batchnorm in plain loops: the truth that the kernels are compared with. Matrices (count, C), contiguous:
// the channels-last memory of images.
#pragma once

#include <cmath>

#include "fastnn/ops/batchnorm/batchnorm.h"

namespace fastnn {

template <class T>
void batchnorm_statistics_ref(int64_t count, int64_t channels, const T* x, double* mean, double* var) {
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] = var[c] = 0;
    for (int64_t i = 0; i < count; ++i) mean[c] += double(x[i * channels + c]) / double(count);
    for (int64_t i = 0; i < count; ++i) {
      const double deviation = double(x[i * channels + c]) - mean[c];
      var[c] += deviation * deviation / double(count);
    }
  }
}

template <class T>
void batchnorm_forward_ref(int64_t count, int64_t channels, const T* x, const BatchNorm<T>& norm, T* y) {
  for (int64_t i = 0; i < count * channels; ++i) {
    const int64_t c = i % channels;
    const double xhat = (double(x[i]) - norm.mean[c]) / std::sqrt(norm.var[c] + norm.eps);
    const double value = double(norm.gamma[c]) * xhat + double(norm.beta[c]);
    y[i] = T(norm.relu && value < 0 ? 0 : value);
  }
}

// y is the result of forward, whose sign is the ReLU's mask. Statistics are those of x: training.
template <class T>
void batchnorm_backward_ref(int64_t count, int64_t channels, const T* dy, const T* x, const T* y,
                            const BatchNorm<T>& norm, T* dx, T* dgamma, T* dbeta) {
  for (int64_t c = 0; c < channels; ++c) {
    const double inverse = 1 / std::sqrt(norm.var[c] + norm.eps);
    double sum = 0, sum_xhat = 0;
    const auto gradient = [&](int64_t i) { return norm.relu && !(y[i] > 0) ? 0 : double(dy[i]); };
    const auto xhat = [&](int64_t i) { return (double(x[i]) - norm.mean[c]) * inverse; };
    for (int64_t i = c; i < count * channels; i += channels) {
      sum += gradient(i);
      sum_xhat += gradient(i) * xhat(i);
    }
    dbeta[c] = T(sum);
    dgamma[c] = T(sum_xhat);
    for (int64_t i = c; i < count * channels; i += channels) {
      const double centred = gradient(i) - sum / double(count) - xhat(i) * sum_xhat / double(count);
      dx[i] = T(double(norm.gamma[c]) * inverse * centred);
    }
  }
}

}  // namespace fastnn
