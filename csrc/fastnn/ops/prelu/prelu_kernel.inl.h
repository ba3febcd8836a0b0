#include "fastnn/ops/prelu/prelu_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static void prelu_forward(const PReluBand<T>& band) {
  using V = Vec<T>;
  const V zero = V::zero();
  for_each_register<V>(
      band.columns, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
        const V slope = load<V>(band.slope + c, lanes);
        for (int64_t i = 0; i < band.rows; ++i) {
          const V x = load<V>(band.x + i * band.x_row + c, lanes);
          store(select(x > zero, x, slope * x), band.out + i * band.columns + c, lanes);
        }
      });
}

template <class T>
static void prelu_backward(const PReluBand<T>& band) {
  using V = Vec<T>;
  const V zero = V::zero();
  for_each_register<V>(
      band.columns, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
        const V slope = load<V>(band.slope + c, lanes);
        V sum = zero;
        for (int64_t i = 0; i < band.rows; ++i) {
          const V x = load<V>(band.x + i * band.x_row + c, lanes);
          const V dy = load<V>(band.dy + i * band.dy_row + c, lanes);
          store(select(x > zero, dy, slope * dy), band.out + i * band.columns + c, lanes);
          sum = sum + select(x > zero, zero, dy * x);
        }
        store(sum, band.dslope + c, lanes);
      });
}

template <class T>
PReluKernel<T> prelu_kernel() {
  return {prelu_forward<T>, prelu_backward<T>};
}

template PReluKernel<float> prelu_kernel<float>();
template PReluKernel<double> prelu_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
