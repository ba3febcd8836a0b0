#include "fastnn/ops/layernorm/layernorm_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static void layernorm_statistics(LayerNormRow<T>& row, T& sum_out, T& squares_out) {
  using V = Vec<T>;
  // A first mean, relative to the first value, is good enough for a center.
  const V first = V::set(row.x[0]);
  V total = V::zero();
  for_each_register<V>(
      row.columns, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        total = total + (load<V>(row.x + j, lanes, row.x[0]) - first);
      });
  row.center = row.x[0] + sum(total) / T(row.columns);
  const V center = V::set(row.center);
  V deviations = V::zero(), squares = V::zero();
  for_each_register<V>(
      row.columns, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V d = load<V>(row.x + j, lanes, row.center) - center;
        deviations = deviations + d;
        squares = fma(d, d, squares);
      });
  sum_out = sum(deviations);
  squares_out = sum(squares);
}

template <class T>
static FASTNN_INLINE Vec<T> normalised(Vec<T> x, Vec<T> center, Vec<T> lost, Vec<T> rstd) {
  return ((x - center) - lost) * rstd;
}

template <class T>
static void layernorm_forward(const LayerNormRow<T>& row) {
  using V = Vec<T>;
  const V center = V::set(row.center), lost = V::set(row.lost), rstd = V::set(row.rstd);
  for_each_register<V>(
      row.columns, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V xhat = normalised<T>(load<V>(row.x + j, lanes), center, lost, rstd);
        store(fma(load<V>(row.gamma + j, lanes), xhat, load<V>(row.beta + j, lanes)), row.out + j, lanes);
      });
}

template <class T>
static void layernorm_backward(const LayerNormRow<T>& row) {
  using V = Vec<T>;
  const V center = V::set(row.center), lost = V::set(row.lost), rstd = V::set(row.rstd);
  V sum_e = V::zero(), sum_product = V::zero();
  for_each_register<V>(
      row.columns, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V xhat = normalised<T>(load<V>(row.x + j, lanes), center, lost, rstd);
        const V dy = load<V>(row.dy + j, lanes), e = load<V>(row.gamma + j, lanes) * dy;
        sum_e = sum_e + e;
        sum_product = fma(e, xhat, sum_product);
        store(fma(dy, xhat, load<V>(row.dgamma + j, lanes)), row.dgamma + j, lanes);
        store(load<V>(row.dbeta + j, lanes) + dy, row.dbeta + j, lanes);
      });
  const V mean_e = V::set(sum(sum_e) / T(row.columns));
  const V mean_product = V::set(sum(sum_product) / T(row.columns));
  for_each_register<V>(
      row.columns, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V xhat = normalised<T>(load<V>(row.x + j, lanes), center, lost, rstd);
        const V e = load<V>(row.gamma + j, lanes) * load<V>(row.dy + j, lanes);
        store(fnma(xhat, mean_product, e - mean_e) * rstd, row.out + j, lanes);
      });
}

template <class T>
LayerNormKernel<T> layernorm_kernel() {
  return {layernorm_statistics<T>, layernorm_forward<T>, layernorm_backward<T>};
}

template LayerNormKernel<float> layernorm_kernel<float>();
template LayerNormKernel<double> layernorm_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
