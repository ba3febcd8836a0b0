// One row. See softmax_cross_entropy.h for the equation.
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
void cross_entropy_backward_row(const CrossEntropyRow<T>& s) {
  using V = Vec<T>;
  const V scale = V::set(s.scale);
  const T right = s.probs[s.label];  // before dscores, which may be the same memory
  for_each_register<V>(
      s.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        store(load<V>(s.probs + j, lanes) * scale, s.dscores + j, lanes);
      });
  s.dscores[s.label] = (right - T(1)) * s.scale;
}

template void cross_entropy_backward_row(const CrossEntropyRow<float>&);
template void cross_entropy_backward_row(const CrossEntropyRow<double>&);

// q of the columns from j on; 0 in lanes that are not in use. The label's share is left to the caller.
template <class V, class T, class Lanes>
static FASTNN_INLINE V spread_share(const SpreadRow<T>& r, int64_t j, Lanes lanes) {
  const V off = V::set(r.off);
  const V target = r.given ? fma(V::set(r.on), load<V>(r.given + j, lanes), off) : off;
  return target * load<V>(r.class_weights + j, lanes);
}

template <class T>
static T label_share(const SpreadRow<T>& r) {
  return r.given ? T(0) : r.on * r.class_weights[r.label];
}

template <class T>
SpreadSums<T> spread_forward_row(const SpreadRow<T>& r, const T* scores, T shift) {
  using V = Vec<T>;
  const V shifts = V::set(shift);
  V mass = V::zero(), dot = V::zero();
  for_each_register<V>(
      r.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V q = spread_share<V>(r, j, lanes);
        mass = mass + q;
        dot = dot + used(q * (load<V>(scores + j, lanes) - shifts), lanes);
      });
  SpreadSums<T> sums{sum(mass), sum(dot)};
  if (!r.given) {
    sums.mass += label_share(r);
    sums.dot += label_share(r) * (scores[r.label] - shift);
  }
  return sums;
}

template <class T>
void spread_backward_row(const SpreadRow<T>& r, const T* probs, T scale, T* dscores) {
  using V = Vec<T>;
  V total = V::zero();
  for_each_register<V>(
      r.cols, [&](int64_t j, auto lanes)
                  __attribute__((always_inline)) { total = total + spread_share<V>(r, j, lanes); });
  const T mass = sum(total) + label_share(r);
  const V masses = V::set(mass), scales = V::set(scale);
  const T right = r.given ? T(0) : probs[r.label];  // before dscores, which may be the same memory
  for_each_register<V>(
      r.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        const V q = spread_share<V>(r, j, lanes);
        store(scales * (masses * load<V>(probs + j, lanes) - q), dscores + j, lanes);
      });
  if (!r.given) {
    const T q = (r.on + r.off) * r.class_weights[r.label];
    dscores[r.label] = scale * (mass * right - q);
  }
}

template SpreadSums<float> spread_forward_row(const SpreadRow<float>&, const float*, float);
template SpreadSums<double> spread_forward_row(const SpreadRow<double>&, const double*, double);
template void spread_backward_row(const SpreadRow<float>&, const float*, float, float*);
template void spread_backward_row(const SpreadRow<double>&, const double*, double, double*);

}  // namespace fastnn::FASTNN_ISA
