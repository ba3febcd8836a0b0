#include "fastnn/ops/groupnorm/groupnorm.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/batchnorm/batchnorm_kernel.h"

namespace fastnn {
namespace {

// An example is a band of batch norm's kernels: only the coefficients of its channels come from groups.
template <class T>
struct Examples {
  PixelRows<T> x, dy;
  int64_t count, channels, pixels, groups, group_channels;

  Examples(const TensorView<const T>& x, const TensorView<const T>& dy, int64_t groups)
      : x(x),
        dy(dy),
        count(x.shape[0]),
        channels(x.shape[1]),
        pixels(count ? this->x.matrix().rows / count : 0),
        groups(groups),
        group_channels(channels / groups) {}

  BatchNormBand<T> band(int64_t n) const {
    BatchNormBand<T> band{};
    band.rows = pixels;
    band.channels = channels;
    band.x = x.row(n * pixels);
    band.x_row = x.row_stride();
    band.dy = dy.row(n * pixels);
    band.dy_row = dy.row_stride();
    band.out_row = channels;
    return band;
  }
  double group_size() const { return static_cast<double>(group_channels) * static_cast<double>(pixels); }

  // `passes`: how often an array of x's size is read or written.
  double work_ns(double passes) const {
    const double elements = static_cast<double>(count) * static_cast<double>(channels * pixels);
    return passes * sizeof(T) * elements / kBytesPerNs;
  }
};

// Mean and variance of every group, from each channel's mean less the first pixel and squared deviations,
// joined in order (Chan, Golub and LeVeque, 1979).
template <class T>
void join_channels(const Examples<T>& examples, const T* first, const T* sums, double* mean, double* var) {
  const double pixels = static_cast<double>(examples.pixels);
  for (int64_t g = 0; g < examples.groups; ++g) {
    double group_mean = 0, squares = 0;
    for (int64_t k = 0; k < examples.group_channels; ++k) {
      const int64_t c = g * examples.group_channels + k;
      const double before = static_cast<double>(k);
      const double delta = static_cast<double>(first[c]) + static_cast<double>(sums[c]) - group_mean;
      group_mean += delta / (before + 1);
      squares +=
          static_cast<double>(sums[examples.channels + c]) + delta * delta * pixels * before / (before + 1);
    }
    mean[g] = group_mean;
    var[g] = squares / examples.group_size();
  }
}

// What the kernels take by channel, for one example.
template <class T>
struct Coefficients {
  Buffer<T> values;
  int64_t channels;

  explicit Coefficients(int64_t channels) : values(5 * channels), channels(channels) {}
  T* row(int i) const { return values.get() + i * channels; }
  void give_to(BatchNormBand<T>& band) const {
    band.center = row(0);
    band.scale = row(1);
    band.shift = row(2);
    band.slope = row(3);
    band.offset = row(4);
  }
  void normalise(int64_t c, const GroupNorm<T>& norm, double mean, double rstd) const {
    const double scale = norm.gamma[c] * rstd;
    row(0)[c] = static_cast<T>(mean);
    row(1)[c] = static_cast<T>(scale);
    row(2)[c] = static_cast<T>(norm.beta[c] - scale * lost(c, mean));
  }
  // What rounding the mean to T took from it.
  double lost(int64_t c, double mean) const { return mean - static_cast<double>(row(0)[c]); }
};

}  // namespace

template <class T>
void groupnorm_forward(const TensorView<const T>& x, const GroupNorm<T>& norm, const TensorView<T>& y,
                       double* statistics) {
  const BatchNormKernel<T> kernel = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  const Examples<T> examples(x, {}, norm.groups);
  const int64_t channels = examples.channels, all_groups = examples.count * norm.groups;
  parallel_for(examples.count, examples.work_ns(3), [&](int64_t n) {
    Buffer<T> sums(2 * channels);
    BatchNormBand<T> band = examples.band(n);
    band.sums = sums.get();
    kernel.statistics(band);
    double *mean = statistics + n * norm.groups, *var = mean + all_groups;
    join_channels(examples, band.x, sums.get(), mean, var);
    const Coefficients<T> coefficients(channels);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t g = c / examples.group_channels;
      coefficients.normalise(c, norm, mean[g], 1 / std::sqrt(var[g] + norm.eps));
    }
    coefficients.give_to(band);
    band.out = y.data + n * examples.pixels * channels;
    kernel.forward(band);
  });
}

template <class T>
void groupnorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const GroupNorm<T>& norm,
                        const double* statistics, const TensorView<T>& dx, T* dgamma, T* dbeta) {
  const BatchNormKernel<T> kernel = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  const Examples<T> examples(x, dy, norm.groups);
  const int64_t channels = examples.channels, all_groups = examples.count * norm.groups;
  Buffer<double> parts(examples.count * 2 * channels);  // each example's dgamma and dbeta
  parallel_for(examples.count, examples.work_ns(5), [&](int64_t n) {
    const double *mean = statistics + n * norm.groups, *var = mean + all_groups;
    double *sum_dy_xhat = parts.get() + n * 2 * channels, *sum_dy = sum_dy_xhat + channels;
    const Coefficients<T> coefficients(channels);
    Buffer<T> sums(2 * channels);
    for (int64_t g = 0; g < norm.groups; ++g) {
      const double rstd = 1 / std::sqrt(var[g] + norm.eps);
      for (int64_t c = g * examples.group_channels; c < (g + 1) * examples.group_channels; ++c)
        coefficients.normalise(c, norm, mean[g], rstd);
    }
    BatchNormBand<T> band = examples.band(n);
    coefficients.give_to(band);
    band.sums = sums.get();
    kernel.reduce(band);
    for (int64_t g = 0; g < norm.groups; ++g) {
      const int64_t begin = g * examples.group_channels, end = begin + examples.group_channels;
      const double rstd = 1 / std::sqrt(var[g] + norm.eps);
      double e_sum = 0, e_xhat_sum = 0;
      for (int64_t c = begin; c < end; ++c) {
        sum_dy[c] = static_cast<double>(sums[c]);
        sum_dy_xhat[c] =
            rstd * (static_cast<double>(sums[channels + c]) - coefficients.lost(c, mean[g]) * sum_dy[c]);
        e_sum += norm.gamma[c] * sum_dy[c];
        e_xhat_sum += norm.gamma[c] * sum_dy_xhat[c];
      }
      const double slope = rstd * rstd * e_xhat_sum / examples.group_size();
      for (int64_t c = begin; c < end; ++c) {
        coefficients.row(3)[c] = static_cast<T>(slope);
        coefficients.row(4)[c] =
            static_cast<T>(rstd * e_sum / examples.group_size() - slope * coefficients.lost(c, mean[g]));
      }
    }
    band.out = dx.data + n * examples.pixels * channels;
    kernel.backward(band);
  });
  for (int64_t c = 0; c < channels; ++c) {
    double gamma_sum = 0, beta_sum = 0;
    for (int64_t n = 0; n < examples.count; ++n) {
      gamma_sum += parts[n * 2 * channels + c];
      beta_sum += parts[n * 2 * channels + channels + c];
    }
    dgamma[c] = static_cast<T>(gamma_sum);
    dbeta[c] = static_cast<T>(beta_sum);
  }
}

#define FASTNN_X(T)                                                                                      \
  template void groupnorm_forward(const TensorView<const T>&, const GroupNorm<T>&, const TensorView<T>&, \
                                  double*);                                                              \
  template void groupnorm_backward(const TensorView<const T>&, const TensorView<const T>&,               \
                                   const GroupNorm<T>&, const double*, const TensorView<T>&, T*, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
