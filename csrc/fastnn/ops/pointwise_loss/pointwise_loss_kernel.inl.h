// A block of pointwise_loss, a register at a time: a row per loss, its value and its slope. See
// pointwise_loss.h for the equations.
#include "fastnn/ops/pointwise_loss/pointwise_loss_kernel.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/math.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct SquaredLoss {
  using V = Vec<T>;
  static FASTNN_INLINE V value(V s, V t, V) { return (s - t) * (s - t); }
  static FASTNN_INLINE V slope(V s, V t, V) { return (s - t) + (s - t); }
};

template <class T>
struct AbsoluteLoss {
  using V = Vec<T>;
  static FASTNN_INLINE V value(V s, V t, V) { return abs(s - t); }
  static FASTNN_INLINE V slope(V s, V t, V) {
    const V d = s - t, one = V::set(T(1));
    return select(d > V::zero(), one, select(V::zero() > d, V::zero() - one, d));  // keeps 0 and NaN
  }
};

template <class T>
struct HuberLoss {
  using V = Vec<T>;
  static FASTNN_INLINE V value(V s, V t, V delta) {
    const V size = abs(s - t), cut = min(delta, size);
    return cut * fnma(cut, V::set(T(0.5)), size);
  }
  static FASTNN_INLINE V slope(V s, V t, V delta) { return min(delta, max(V::zero() - delta, s - t)); }
};

template <class T>
struct LogisticLoss {
  using V = Vec<T>;
  static FASTNN_INLINE V value(V s, V t, V) {
    const V one = V::set(T(1)), e = exp(V::zero() - abs(s)), u = one + e;
    // log(1 + e), with the part of e that 1 + e rounds away put back (Kahan).
    const V log_u = select(u == one, e, log(u) * e / (u - one));
    return fnma(s, t, max(V::zero(), s)) + log_u;
  }
  static FASTNN_INLINE V slope(V s, V t, V) {
    const V one = V::set(T(1));
    return one / (one + exp(V::zero() - s)) - t;
  }
};

template <class T, class Loss>
static T forward(const PointwiseLossBlock<T>& b) {
  using V = Vec<T>;
  const V delta = V::set(b.delta);
  V total = V::zero();
  for_each_register<V>(
      b.count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        const V loss = Loss::value(load<V>(b.scores + i, lanes), load<V>(b.targets + i, lanes), delta);
        total = total + used(b.weights ? load<V>(b.weights + i, lanes) * loss : loss, lanes);
      });
  return sum(total);
}

template <class T, class Loss>
static void backward(const PointwiseLossBlock<T>& b) {
  using V = Vec<T>;
  const V delta = V::set(b.delta), scale = V::set(b.scale);
  for_each_register<V>(
      b.count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        const V factor = b.weights ? scale * load<V>(b.weights + i, lanes) : scale;
        const V slope = Loss::slope(load<V>(b.scores + i, lanes), load<V>(b.targets + i, lanes), delta);
        store(factor * slope, b.dscores + i, lanes);
      });
}

template <class T>
PointwiseLossKernel<T> pointwise_loss_kernel(PointwiseLoss loss) {
  switch (loss) {
    case PointwiseLoss::squared:
      return {forward<T, SquaredLoss<T>>, backward<T, SquaredLoss<T>>};
    case PointwiseLoss::absolute:
      return {forward<T, AbsoluteLoss<T>>, backward<T, AbsoluteLoss<T>>};
    case PointwiseLoss::huber:
      return {forward<T, HuberLoss<T>>, backward<T, HuberLoss<T>>};
    case PointwiseLoss::logistic:
      return {forward<T, LogisticLoss<T>>, backward<T, LogisticLoss<T>>};
  }
  return {};
}

template PointwiseLossKernel<float> pointwise_loss_kernel<float>(PointwiseLoss);
template PointwiseLossKernel<double> pointwise_loss_kernel<double>(PointwiseLoss);

}  // namespace fastnn::FASTNN_ISA
