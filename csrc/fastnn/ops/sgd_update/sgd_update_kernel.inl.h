// One slice of sgd_update, a register at a time. See sgd_update.h for the equation.
#include "fastnn/ops/sgd_update/sgd_update_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T, bool kMomentum, bool kNesterov>
static void sgd_update_as(const SgdSlice<T>& s) {
  using V = Vec<T>;
  const V lr = V::set(s.lr), momentum = V::set(s.momentum), decay = V::set(s.weight_decay);
  for_each_register<V>(
      s.count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        const V param = load<V>(s.param + i, lanes);
        V g = load<V>(s.grad + i, lanes);
        if (s.weight_decay != 0) g = fma(decay, param, g);
        V step = g;
        if (kMomentum) {
          const V v = fma(momentum, load<V>(s.velocity + i, lanes), g);
          store(v, s.velocity + i, lanes);
          step = kNesterov ? fma(momentum, v, g) : v;
        }
        store(fnma(lr, step, param), s.param + i, lanes);
      });
}

template <class T>
void sgd_update_slice(const SgdSlice<T>& s) {
  if (!s.velocity) return sgd_update_as<T, false, false>(s);
  s.nesterov ? sgd_update_as<T, true, true>(s) : sgd_update_as<T, true, false>(s);
}

template void sgd_update_slice(const SgdSlice<float>&);
template void sgd_update_slice(const SgdSlice<double>&);

}  // namespace fastnn::FASTNN_ISA
