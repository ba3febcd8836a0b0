#include "fastnn/ops/batchnorm/batchnorm.h"

#include <algorithm>

#include "fastnn/base/past_caches.h"
#include "fastnn/base/pixel_rows.h"

namespace fastnn {
namespace {

// Bands of rows, fixed by the shape: large enough that joining their sums costs nothing.
struct Bands {
  int64_t rows, channels, count;

  Bands(int64_t rows, int64_t channels) : rows(rows), channels(channels) {
    constexpr int64_t kBandElements = 32768;
    constexpr int64_t kLeastRows = 32;
    count = ceil_div(rows, std::max(kLeastRows, kBandElements / channels));
  }
  int64_t begin(int64_t band) const { return part_begin(rows, count, band); }
  int64_t size(int64_t band) const { return begin(band + 1) - begin(band); }

  template <class T>
  bool past_caches(const T* out) const {
    return channels * sizeof(T) % kAlignment == 0 && goes_past_caches(out, rows * channels);
  }
  // `passes`: how often an array of this size is read or written.
  template <class T>
  double work_ns(double passes) const {
    return passes * sizeof(T) * static_cast<double>(rows) * static_cast<double>(channels) / kBytesPerNs;
  }
};

// The inputs of one call as rows of pixels, and how they are cut.
template <class T>
struct Inputs {
  PixelRows<T> x, dy, residual;
  Bands bands;

  Inputs(const TensorView<const T>& x, const TensorView<const T>& dy, const TensorView<const T>& residual)
      : x(x), dy(dy), residual(residual), bands(this->x.matrix().rows, x.shape[1]) {}

  BatchNormBand<T> band(int64_t index) const {
    const int64_t row = bands.begin(index);
    BatchNormBand<T> band{};
    band.rows = bands.size(index);
    band.channels = bands.channels;
    band.x = x.row(row);
    band.x_row = x.row_stride();
    band.dy = dy.row(row);
    band.dy_row = dy.row_stride();
    band.residual = residual.row(row);
    band.residual_row = residual.row_stride();
    band.out_row = bands.channels;
    return band;
  }
};

// totals = sum dy' and sum dy' (x - center); dy' goes to dresidual where that is not null.
template <class T>
void reduce(const BatchNormKernel<T>& kernel, const Inputs<T>& inputs,
            const BatchNormCoefficients<T>& coefficients, bool relu, T* dresidual, double* totals) {
  const Bands& bands = inputs.bands;
  const int64_t channels = bands.channels;
  const bool stream = dresidual && bands.past_caches(dresidual);
  Buffer<T> sums(bands.count * 2 * channels);
  parallel_for(bands.count, bands.work_ns<T>(2), [&](int64_t i) {
    BatchNormBand<T> band = inputs.band(i);
    coefficients.give_to(band);
    band.relu = relu;
    band.sums = sums.get() + i * 2 * channels;
    if (dresidual) band.out = dresidual + bands.begin(i) * channels;
    band.stream = stream;
    kernel.reduce(band);
  });
  std::fill_n(totals, 2 * channels, 0.0);
  for (int64_t i = 0; i < bands.count; ++i) {
    for (int64_t c = 0; c < 2 * channels; ++c) totals[c] += static_cast<double>(sums[i * 2 * channels + c]);
  }
}

}  // namespace

template <class T>
void batchnorm_statistics(const TensorView<const T>& x, double* mean, double* var) {
  const BatchNormKernel<T> kernel = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  const Inputs<T> inputs(x, {}, {});
  const Bands& bands = inputs.bands;
  const int64_t channels = bands.channels;
  Buffer<T> sums(bands.count * 2 * channels);
  parallel_for(bands.count, bands.work_ns<T>(1), [&](int64_t i) {
    BatchNormBand<T> band = inputs.band(i);
    band.sums = sums.get() + i * 2 * channels;
    kernel.statistics(band);
  });
  // Bands are joined in order (Chan, Golub and LeVeque, 1979).
  std::fill_n(mean, channels, 0.0);
  std::fill_n(var, channels, 0.0);
  for (int64_t i = 0; i < bands.count; ++i) {
    const T* first = inputs.x.row(bands.begin(i));
    const T* band_mean = sums.get() + i * 2 * channels;
    const T* band_squares = band_mean + channels;
    const double before = static_cast<double>(bands.begin(i)), count = static_cast<double>(bands.size(i));
    const double share = count / (before + count);
    for (int64_t c = 0; c < channels; ++c) {
      const double delta = static_cast<double>(first[c]) + static_cast<double>(band_mean[c]) - mean[c];
      mean[c] += delta * share;
      var[c] += static_cast<double>(band_squares[c]) + delta * delta * before * share;
    }
  }
  for (int64_t c = 0; c < channels; ++c) var[c] /= static_cast<double>(bands.rows);
}

template <class T>
void batchnorm_forward(const TensorView<const T>& x, const BatchNorm<T>& norm, const TensorView<T>& y) {
  const BatchNormKernel<T> kernel = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  const Inputs<T> inputs(x, {}, norm.residual);
  const Bands& bands = inputs.bands;
  const BatchNormCoefficients<T> coefficients(norm, bands.channels);
  const bool stream = bands.past_caches(y.data);
  parallel_for(bands.count, bands.work_ns<T>(2), [&](int64_t i) {
    BatchNormBand<T> band = inputs.band(i);
    coefficients.give_to(band);
    band.relu = norm.relu;
    band.out = y.data + bands.begin(i) * bands.channels;
    band.stream = stream;
    kernel.forward(band);
  });
}

template <class T>
void batchnorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const BatchNorm<T>& norm,
                        bool training, const double* sums, const TensorView<T>& dx,
                        const TensorView<T>& dresidual, T* dgamma, T* dbeta) {
  const BatchNormKernel<T> kernel = FASTNN_DISPATCH(batchnorm_kernel<T>)();
  const Inputs<T> inputs(x, dy, sums ? TensorView<const T>{} : norm.residual);
  const Bands& bands = inputs.bands;
  const int64_t channels = bands.channels;
  const BatchNormCoefficients<T> coefficients(norm, channels);
  Buffer<double> totals(2 * channels);
  sums ? void(std::copy_n(sums, 2 * channels, totals.get()))
       : reduce(kernel, inputs, coefficients, norm.relu, dresidual.data, totals.get());

  coefficients.set_backward(norm, totals.get(), training, bands.rows, dgamma, dbeta);

  const bool stream = dx.data != dy.data && bands.past_caches(dx.data);
  parallel_for(bands.count, bands.work_ns<T>(3), [&](int64_t i) {
    BatchNormBand<T> band = inputs.band(i);
    coefficients.give_to(band);
    band.relu = norm.relu && !sums;
    if (dresidual.data) {  // dy' stands there already
      band.dy = dresidual.data + bands.begin(i) * channels;
      band.dy_row = channels;
      band.residual = nullptr;
      band.relu = false;
    }
    band.out = dx.data + bands.begin(i) * channels;
    band.stream = stream;
    kernel.backward(band);
  });
}

template <class T>
void batchnorm_track(const double* statistics, int64_t channels, int64_t count, double momentum,
                     T* running_mean, T* running_var) {
  const double unbias = static_cast<double>(count) / static_cast<double>(count - 1);
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = statistics[c], var = statistics[channels + c] * unbias;
    running_mean[c] = static_cast<T>((1 - momentum) * running_mean[c] + momentum * mean);
    running_var[c] = static_cast<T>((1 - momentum) * running_var[c] + momentum * var);
  }
}

#define FASTNN_X(T)                                                                                       \
  template void batchnorm_statistics(const TensorView<const T>&, double*, double*);                       \
  template void batchnorm_forward(const TensorView<const T>&, const BatchNorm<T>&, const TensorView<T>&); \
  template void batchnorm_track(const double*, int64_t, int64_t, double, T*, T*);                         \
  template void batchnorm_backward(const TensorView<const T>&, const TensorView<const T>&,                \
                                   const BatchNorm<T>&, bool, const double*, const TensorView<T>&,        \
                                   const TensorView<T>&, T*, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
