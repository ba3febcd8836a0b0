#include "fastnn/ops/layernorm/layernorm.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/ordered_view.h"
#include "fastnn/ops/layernorm/layernorm_kernel.h"

namespace fastnn {
namespace {

// An array in the memory order of a dense one: in place if it lies so, else copied.
template <class T>
class Ordered {
 public:
  Ordered(const TensorView<const T>& x, const int64_t* stride) {
    const int64_t size = x.size();
    if (!size) return;
    data_ = OrderedView<const T>(x, stride).find(0, size);
    if (data_) return;
    copy_ = Buffer<T>(size);
    TensorView<T> copy{copy_.get(), x.rank, {}, {}};
    std::copy_n(x.shape, x.rank, copy.shape);
    std::copy_n(stride, x.rank, copy.stride);
    copy_dense(x, copy);
    data_ = copy_.get();
  }
  const T* get() const { return data_; }

 private:
  const T* data_ = nullptr;
  Buffer<T> copy_;
};

// Rows, and how they are cut into at most kMostChunks chunks, each of which has sums of its own.
struct Rows {
  int64_t count, columns, chunk_rows, chunks;

  Rows(int64_t size, int64_t columns) : count(size / columns), columns(columns) {
    constexpr int64_t kChunkElements = 16384, kMostChunks = 64;
    chunk_rows = std::max({int64_t{1}, kChunkElements / columns, ceil_div(count, kMostChunks)});
    chunks = ceil_div(count, chunk_rows);
  }

  // Calls fn(chunk, row) for all rows, those of a chunk in order.
  template <class Fn>
  void for_each(double work_ns, Fn&& fn) const {
    parallel_for(chunks, work_ns, [&](int64_t chunk) {
      const int64_t end = std::min(count, (chunk + 1) * chunk_rows);
      for (int64_t row = chunk * chunk_rows; row < end; ++row) fn(chunk, row);
    });
  }
  template <class T>
  double work_ns(double passes) const {
    return passes * sizeof(T) * static_cast<double>(count) * static_cast<double>(columns) / kBytesPerNs;
  }
};

template <class T>
LayerNormRow<T> row_of(const Rows& rows, const T* x, const T* gamma, const T* beta) {
  LayerNormRow<T> row{};
  row.columns = rows.columns;
  row.x = x;
  row.gamma = gamma;
  row.beta = beta;
  return row;
}

template <class T>
void set_statistics(LayerNormRow<T>& row, double mean, double var, double eps) {
  row.center = static_cast<T>(mean);
  row.lost = static_cast<T>(mean - static_cast<double>(row.center));
  row.rstd = static_cast<T>(1 / std::sqrt(var + eps));
}

// The sums of all chunks, in order, into an array in C order; `stride` is the order of the parts.
template <class T>
void join(const T* parts, const Rows& rows, int64_t part_stride, const int64_t* stride,
          const TensorView<T>& result) {
  Buffer<T> total(rows.columns);
  for (int64_t j = 0; j < rows.columns; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < rows.chunks; ++i) sum += static_cast<double>(parts[i * part_stride + j]);
    total[j] = static_cast<T>(sum);
  }
  TensorView<const T> ordered{total.get(), result.rank, {}, {}};
  std::copy_n(result.shape, result.rank, ordered.shape);
  std::copy_n(stride, result.rank, ordered.stride);
  copy_dense(ordered, result);
}

}  // namespace

template <class T>
void layernorm_forward(const TensorView<const T>& x, const LayerNorm<T>& norm, const TensorView<T>& y,
                       double* statistics) {
  const LayerNormKernel<T> kernel = FASTNN_DISPATCH(layernorm_kernel<T>)();
  const int64_t* row_stride = y.stride + (x.rank - norm.gamma.rank);
  const Ordered<T> xs(x, y.stride), gamma(norm.gamma, row_stride), beta(norm.beta, row_stride);
  const Rows rows(x.size(), norm.gamma.size());
  const double columns = static_cast<double>(rows.columns);
  rows.for_each(rows.work_ns<T>(2), [&](int64_t, int64_t i) {
    LayerNormRow<T> row = row_of(rows, xs.get() + i * rows.columns, gamma.get(), beta.get());
    T sum, squares;
    kernel.statistics(row, sum, squares);
    const double shift = static_cast<double>(sum) / columns;
    const double mean = static_cast<double>(row.center) + shift;
    const double var = std::max(static_cast<double>(squares) / columns - shift * shift, 0.0);
    statistics[i] = mean;
    statistics[rows.count + i] = var;
    set_statistics(row, mean, var, norm.eps);
    row.out = y.data + i * rows.columns;
    kernel.forward(row);
  });
}

template <class T>
void layernorm_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const LayerNorm<T>& norm,
                        const double* statistics, const TensorView<T>& dx, const TensorView<T>& dgamma,
                        const TensorView<T>& dbeta) {
  const LayerNormKernel<T> kernel = FASTNN_DISPATCH(layernorm_kernel<T>)();
  const int64_t* row_stride = dx.stride + (x.rank - norm.gamma.rank);
  const Ordered<T> xs(x, dx.stride), dys(dy, dx.stride), gamma(norm.gamma, row_stride);
  const Rows rows(x.size(), norm.gamma.size());
  const int64_t part = 2 * rows.columns;
  Buffer<T> parts(rows.chunks * part);
  std::fill_n(parts.get(), rows.chunks * part, T(0));
  rows.for_each(rows.work_ns<T>(4), [&](int64_t chunk, int64_t i) {
    LayerNormRow<T> row = row_of<T>(rows, xs.get() + i * rows.columns, gamma.get(), nullptr);
    set_statistics(row, statistics[i], statistics[rows.count + i], norm.eps);
    row.dy = dys.get() + i * rows.columns;
    row.out = dx.data + i * rows.columns;
    row.dgamma = parts.get() + chunk * part;
    row.dbeta = row.dgamma + rows.columns;
    kernel.backward(row);
  });
  join(parts.get(), rows, part, row_stride, dgamma);
  join(parts.get() + rows.columns, rows, part, row_stride, dbeta);
}

#define FASTNN_X(T)                                                                                      \
  template void layernorm_forward(const TensorView<const T>&, const LayerNorm<T>&, const TensorView<T>&, \
                                  double*);                                                              \
  template void layernorm_backward(const TensorView<const T>&, const TensorView<const T>&,               \
                                   const LayerNorm<T>&, const double*, const TensorView<T>&,             \
                                   const TensorView<T>&, const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
