#include "fastnn/ops/adaptive_update/adaptive_update.h"

#include <algorithm>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/adaptive_update/adaptive_update_kernel.h"

namespace fastnn {
namespace {

// Runs the kernel over the whole run, slice by slice.
template <class T>
void run(const AdaptiveSlice<T>& whole) {
  constexpr int64_t kSlice = 16384;  // some 400 KB of traffic: some tens of microseconds
  const auto kernel = FASTNN_DISPATCH(adaptive_update_slice<T>);
  const int states = static_cast<int>(std::count_if(whole.state, whole.state + 3, [](T* s) { return s; }));
  const double bytes = (3.0 + 2.0 * states) * sizeof(T) * static_cast<double>(whole.count);
  parallel_for(ceil_div(whole.count, kSlice), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t begin = chunk * kSlice;
    AdaptiveSlice<T> slice = whole;
    slice.count = std::min(kSlice, whole.count - begin);
    slice.param += begin;
    slice.grad += begin;
    for (int k = 0; k < states; ++k) slice.state[k] += begin;
    kernel(slice);
  });
}

template <class T>
AdaptiveSlice<T> slice_of(AdaptiveRule rule, int64_t count, T* param, const T* grad, double lr, double eps,
                          double weight_decay) {
  AdaptiveSlice<T> s{};
  s.rule = rule;
  s.count = count;
  s.param = param;
  s.grad = grad;
  s.lr = static_cast<T>(lr);
  s.eps = static_cast<T>(eps);
  s.decay = static_cast<T>(weight_decay);
  s.shrink = 1;
  return s;
}

}  // namespace

template <class T>
void adagrad_update(int64_t count, T* param, const T* grad, T* total, const AdagradOptions& o) {
  AdaptiveSlice<T> s = slice_of(AdaptiveRule::adagrad, count, param, grad, o.lr, o.eps, o.weight_decay);
  s.state[0] = total;
  run(s);
}

template <class T>
void rmsprop_update(int64_t count, T* param, const T* grad, T* square, T* mean, T* velocity,
                    const RmspropOptions& o) {
  AdaptiveSlice<T> s = slice_of(AdaptiveRule::rmsprop, count, param, grad, o.lr, o.eps, o.weight_decay);
  s.centered = mean;
  s.momentum = velocity;
  T** state = s.state;
  *state++ = square;
  if (mean) *state++ = mean;
  if (velocity) *state++ = velocity;
  s.keep = static_cast<T>(o.alpha);
  s.fresh = static_cast<T>(1 - o.alpha);
  s.keep_m = static_cast<T>(o.momentum);
  run(s);
}

template <class T>
void adadelta_update(int64_t count, T* param, const T* grad, T* square, T* change, const AdadeltaOptions& o) {
  AdaptiveSlice<T> s = slice_of(AdaptiveRule::adadelta, count, param, grad, o.lr, o.eps, o.weight_decay);
  s.state[0] = square;
  s.state[1] = change;
  s.keep = static_cast<T>(o.rho);
  s.fresh = static_cast<T>(1 - o.rho);
  run(s);
}

template <class T>
void nadam_update(int64_t count, T* param, const T* grad, T* m, T* v, const NadamOptions& o) {
  // The rates hold lr already, so that the frame's own is 1.
  AdaptiveSlice<T> s =
      slice_of(AdaptiveRule::nadam, count, param, grad, 1, o.eps, o.decoupled ? 0 : o.weight_decay);
  if (o.decoupled) s.shrink = static_cast<T>(1 - o.lr * o.weight_decay);
  s.state[0] = m;
  s.state[1] = v;
  s.keep_m = static_cast<T>(o.beta1);
  s.fresh_m = static_cast<T>(1 - o.beta1);
  s.keep = static_cast<T>(o.beta2);
  s.fresh = static_cast<T>(1 - o.beta2);
  s.grad_rate = static_cast<T>(o.grad_rate);
  s.m_rate = static_cast<T>(o.m_rate);
  s.v_scale = static_cast<T>(o.v_scale);
  run(s);
}

#define FASTNN_X(T)                                                                       \
  template void adagrad_update(int64_t, T*, const T*, T*, const AdagradOptions&);         \
  template void rmsprop_update(int64_t, T*, const T*, T*, T*, T*, const RmspropOptions&); \
  template void adadelta_update(int64_t, T*, const T*, T*, T*, const AdadeltaOptions&);   \
  template void nadam_update(int64_t, T*, const T*, T*, T*, const NadamOptions&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
