// One row of softmax: its maximum, its exponentials and their sum, its probabilities. See softmax.h.
#include "fastnn/ops/softmax/softmax_kernel.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/math.h"

namespace fastnn::FASTNN_ISA {

template <class T>
void softmax_row(SoftmaxRow<T>& s) {
  using V = Vec<T>;
  const T lowest = -T(__builtin_inf());
  V top = V::set(lowest);
  for_each_register<V>(
      s.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        top = max(load<V>(s.x + j, lanes, lowest), top);  // passes a NaN by; it comes back in the sum
      });
  s.shift = highest(top);
  const V shift = V::set(s.shift);
  V total = V::zero();
  for_each_register<V>(
      s.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V e = exp(load<V>(s.x + j, lanes, lowest) - shift);
        store(e, s.y + j, lanes);
        total = total + e;
      });
  s.sum = sum(total);
  const V scale = V::set(T(1) / s.sum);
  for_each_register<V>(
      s.cols, [&](int64_t j, auto lanes)
                  __attribute__((always_inline)) { store(load<V>(s.y + j, lanes) * scale, s.y + j, lanes); });
}

template void softmax_row(SoftmaxRow<float>&);
template void softmax_row(SoftmaxRow<double>&);

}  // namespace fastnn::FASTNN_ISA
