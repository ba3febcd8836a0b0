// groupnorm in plain loops, in double: the truth. x is (examples, pixels, channels).
#pragma once

#include <cmath>
#include <cstdint>

namespace fastnn {

template <class T>
void groupnorm_ref(int64_t examples, int64_t pixels, int64_t channels, int64_t groups, const T* x,
                   const T* gamma, const T* beta, double eps, const T* dy, T* y, T* dx, T* dgamma, T* dbeta) {
  const int64_t width = channels / groups;
  const double count = double(pixels * width);
  for (int64_t c = 0; c < channels; ++c) dgamma[c] = dbeta[c] = 0;
  for (int64_t group = 0; group < examples * groups; ++group) {
    const int64_t first = group / groups * pixels * channels, begin = group % groups * width;
    // Calls fn(place, channel) for every value of the group.
    const auto each = [&](auto fn) {
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = begin; c < begin + width; ++c) fn(first + p * channels + c, c);
    };
    double mean = 0, var = 0, mean_e = 0, mean_product = 0;
    each([&](int64_t i, int64_t) { mean += double(x[i]) / count; });
    each([&](int64_t i, int64_t) { var += (x[i] - mean) * (x[i] - mean) / count; });
    const double rstd = 1 / std::sqrt(var + eps);
    each([&](int64_t i, int64_t c) {
      const double xhat = (x[i] - mean) * rstd, e = double(gamma[c]) * double(dy[i]);
      y[i] = T(double(gamma[c]) * xhat + double(beta[c]));
      dgamma[c] += T(double(dy[i]) * xhat);
      dbeta[c] += dy[i];
      mean_e += e / count;
      mean_product += e * xhat / count;
    });
    each([&](int64_t i, int64_t c) {
      const double xhat = (x[i] - mean) * rstd, e = double(gamma[c]) * double(dy[i]);
      dx[i] = T(rstd * (e - mean_e - xhat * mean_product));
    });
  }
}

}  // namespace fastnn
