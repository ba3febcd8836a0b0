// One slice of adaptive_update, a register at a time: a rule turns a gradient and the element's state into
// the step to take. See adaptive_update.h for the equations.
#include "fastnn/ops/adaptive_update/adaptive_update_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct Adagrad {
  using V = Vec<T>;
  static constexpr int states = 1;
  V eps;

  explicit Adagrad(const AdaptiveSlice<T>& s) : eps(V::set(s.eps)) {}

  FASTNN_INLINE V step(V g, V* state) const {
    state[0] = fma(g, g, state[0]);
    return g / (sqrt(state[0]) + eps);
  }
};

template <class T, bool kCentered, bool kMomentum>
struct Rmsprop {
  using V = Vec<T>;
  static constexpr int states = 1 + kCentered + kMomentum;
  V keep, fresh, momentum, eps;

  explicit Rmsprop(const AdaptiveSlice<T>& s)
      : keep(V::set(s.keep)), fresh(V::set(s.fresh)), momentum(V::set(s.keep_m)), eps(V::set(s.eps)) {}

  FASTNN_INLINE V step(V g, V* state) const {
    V square = state[0] = fma(fresh * g, g, keep * state[0]);
    if constexpr (kCentered) {
      const V mean = state[1] = fma(fresh, g, keep * state[1]);
      square = max(V::zero(), fnma(mean, mean, square));  // rounding may put it below 0
    }
    const V scaled = g / (sqrt(square) + eps);
    if constexpr (kMomentum) return state[1 + kCentered] = fma(momentum, state[1 + kCentered], scaled);
    return scaled;
  }
};

template <class T>
struct Adadelta {
  using V = Vec<T>;
  static constexpr int states = 2;
  V keep, fresh, eps;

  explicit Adadelta(const AdaptiveSlice<T>& s)
      : keep(V::set(s.keep)), fresh(V::set(s.fresh)), eps(V::set(s.eps)) {}

  FASTNN_INLINE V step(V g, V* state) const {
    state[0] = fma(fresh * g, g, keep * state[0]);
    const V delta = sqrt((state[1] + eps) / (state[0] + eps)) * g;
    state[1] = fma(fresh * delta, delta, keep * state[1]);
    return delta;
  }
};

template <class T>
struct Nadam {
  using V = Vec<T>;
  static constexpr int states = 2;
  V keep_m, fresh_m, keep, fresh, grad_rate, m_rate, v_scale, eps;

  explicit Nadam(const AdaptiveSlice<T>& s)
      : keep_m(V::set(s.keep_m)),
        fresh_m(V::set(s.fresh_m)),
        keep(V::set(s.keep)),
        fresh(V::set(s.fresh)),
        grad_rate(V::set(s.grad_rate)),
        m_rate(V::set(s.m_rate)),
        v_scale(V::set(s.v_scale)),
        eps(V::set(s.eps)) {}

  FASTNN_INLINE V step(V g, V* state) const {
    const V m = state[0] = fma(fresh_m, g, keep_m * state[0]);
    const V v = state[1] = fma(fresh * g, g, keep * state[1]);
    return fma(grad_rate, g, m_rate * m) / fma(sqrt(v), v_scale, eps);
  }
};

template <class T, class Rule>
static void update_slice(const AdaptiveSlice<T>& s) {
  using V = Vec<T>;
  const Rule rule(s);
  const V lr = V::set(s.lr), decay = V::set(s.decay), shrink = V::set(s.shrink);
  for_each_register<V>(
      s.count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        const V param = load<V>(s.param + i, lanes);
        V g = load<V>(s.grad + i, lanes);
        if (s.decay != 0) g = fma(decay, param, g);
        V state[Rule::states];
#pragma GCC unroll 3
        for (int k = 0; k < Rule::states; ++k) state[k] = load<V>(s.state[k] + i, lanes);
        const V step = rule.step(g, state);
#pragma GCC unroll 3
        for (int k = 0; k < Rule::states; ++k) store(state[k], s.state[k] + i, lanes);
        store(fnma(lr, step, shrink * param), s.param + i, lanes);
      });
}

template <class T>
void adaptive_update_slice(const AdaptiveSlice<T>& s) {
  switch (s.rule) {
    case AdaptiveRule::adagrad:
      return update_slice<T, Adagrad<T>>(s);
    case AdaptiveRule::adadelta:
      return update_slice<T, Adadelta<T>>(s);
    case AdaptiveRule::nadam:
      return update_slice<T, Nadam<T>>(s);
    case AdaptiveRule::rmsprop:
      if (s.centered) {
        return s.momentum ? update_slice<T, Rmsprop<T, true, true>>(s)
                          : update_slice<T, Rmsprop<T, true, false>>(s);
      }
      return s.momentum ? update_slice<T, Rmsprop<T, false, true>>(s)
                        : update_slice<T, Rmsprop<T, false, false>>(s);
  }
}

template void adaptive_update_slice(const AdaptiveSlice<float>&);
template void adaptive_update_slice(const AdaptiveSlice<double>&);

}  // namespace fastnn::FASTNN_ISA
