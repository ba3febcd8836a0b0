// One slice of adam_update, a register at a time. See adam_update.h for the equation.
#include "fastnn/ops/adam_update/adam_update_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
void adam_update_slice(const AdamSlice<T>& s) {
  using V = Vec<T>;
  const V beta1 = V::set(s.beta1), new1 = V::set(s.one_minus_beta1);
  const V beta2 = V::set(s.beta2), new2 = V::set(s.one_minus_beta2);
  const V step_size = V::set(s.step_size), v_scale = V::set(s.v_scale), eps = V::set(s.eps);
  const V decay = V::set(s.decay), shrink = V::set(s.shrink);
  for_each_register<V>(
      s.count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        const V param = load<V>(s.param + i, lanes);
        V g = load<V>(s.grad + i, lanes);
        if (s.decay != 0) g = fma(decay, param, g);
        const V m = fma(new1, g, beta1 * load<V>(s.m + i, lanes));
        const V v = fma(new2 * g, g, beta2 * load<V>(s.v + i, lanes));
        store(m, s.m + i, lanes);
        store(v, s.v + i, lanes);
        const V step = step_size * m / fma(sqrt(v), v_scale, eps);
        store(fma(shrink, param, V::zero() - step), s.param + i, lanes);
      });
}

template void adam_update_slice(const AdamSlice<float>&);
template void adam_update_slice(const AdamSlice<double>&);

}  // namespace fastnn::FASTNN_ISA
