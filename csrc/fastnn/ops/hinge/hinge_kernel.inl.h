// One row of hinge. See hinge.h for the equations.
#include "fastnn/ops/hinge/hinge_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

// Calls body(j, lanes) over all columns but the label's.
template <class V, class T, class Body>
static FASTNN_INLINE void for_each_wrong(const HingeRow<T>& r, Body&& body) {
  for_each_register<V>(r.label, body);
  const int64_t next = r.label + 1;
  for_each_register<V>(
      r.cols - next, [&](int64_t j, auto lanes) __attribute__((always_inline)) { body(next + j, lanes); });
}

template <class T>
static T hinge_forward(const HingeRow<T>& r) {
  using V = Vec<T>;
  const V right = V::set(r.scores[r.label]), margin = V::set(r.margin);
  V total = V::zero();
  for_each_wrong<V>(
      r, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V violation = max(V::zero(), load<V>(r.scores + j, lanes) - right + margin);
        total = total + used(violation, lanes);
      });
  return sum(total);
}

template <class T>
static void hinge_backward(const HingeRow<T>& r) {
  using V = Vec<T>;
  const V right = V::set(r.scores[r.label]), margin = V::set(r.margin);
  const V zero = V::zero(), one = V::set(T(1)), scale = V::set(r.scale);
  V count = V::zero();
  for_each_wrong<V>(
      r, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V violation = load<V>(r.scores + j, lanes) - right + margin;
        const V violated = select(violation > zero, one, zero);
        count = count + used(violated, lanes);
        store(violated * scale, r.dscores + j, lanes);
      });
  r.dscores[r.label] = -r.scale * sum(count);
}

template <class T>
HingeKernel<T> hinge_kernel() {
  return {hinge_forward<T>, hinge_backward<T>};
}

template HingeKernel<float> hinge_kernel<float>();
template HingeKernel<double> hinge_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
