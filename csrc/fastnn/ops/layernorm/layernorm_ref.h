// layernorm in plain loops, in double: the truth. x is (rows, columns).
#pragma once

#include <cmath>
#include <cstdint>

namespace fastnn {

template <class T>
void layernorm_ref(int64_t rows, int64_t columns, const T* x, const T* gamma, const T* beta, double eps,
                   const T* dy, T* y, T* dx, T* dgamma, T* dbeta) {
  for (int64_t j = 0; j < columns; ++j) dgamma[j] = dbeta[j] = 0;
  for (int64_t i = 0; i < rows; ++i, x += columns, dy += columns, y += columns, dx += columns) {
    double mean = 0, var = 0, mean_e = 0, mean_product = 0;
    for (int64_t j = 0; j < columns; ++j) mean += double(x[j]) / double(columns);
    for (int64_t j = 0; j < columns; ++j) var += (x[j] - mean) * (x[j] - mean) / double(columns);
    const double rstd = 1 / std::sqrt(var + eps);
    for (int64_t j = 0; j < columns; ++j) {
      const double xhat = (x[j] - mean) * rstd, e = double(gamma[j]) * double(dy[j]);
      y[j] = T(double(gamma[j]) * xhat + double(beta[j]));
      dgamma[j] += T(double(dy[j]) * xhat);
      dbeta[j] += dy[j];
      mean_e += e / double(columns);
      mean_product += e * xhat / double(columns);
    }
    for (int64_t j = 0; j < columns; ++j) {
      const double xhat = (x[j] - mean) * rstd, e = double(gamma[j]) * double(dy[j]);
      dx[j] = T(rstd * (e - mean_e - xhat * mean_product));
    }
  }
}

}  // namespace fastnn
