#include "fastnn/ops/adam_update/adam_update.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/adam_update/adam_update_kernel.h"

namespace fastnn {

template <class T>
void adam_update(int64_t count, T* param, const T* grad, T* m, T* v, const AdamOptions& o) {
  constexpr int64_t kSlice = 16384;  // 450 KB of traffic: some tens of microseconds
  const auto kernel = FASTNN_DISPATCH(adam_update_slice<T>);
  const double steps = static_cast<double>(o.step);
  AdamSlice<T> whole{};
  whole.beta1 = static_cast<T>(o.beta1);
  whole.beta2 = static_cast<T>(o.beta2);
  whole.one_minus_beta1 = static_cast<T>(1 - o.beta1);
  whole.one_minus_beta2 = static_cast<T>(1 - o.beta2);
  whole.step_size = static_cast<T>(o.lr / (1 - std::pow(o.beta1, steps)));
  whole.v_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(o.beta2, steps)));
  whole.eps = static_cast<T>(o.eps);
  whole.decay = static_cast<T>(o.decoupled ? 0 : o.weight_decay);
  whole.shrink = static_cast<T>(o.decoupled ? 1 - o.lr * o.weight_decay : 1);
  const double bytes = 7.0 * sizeof(T) * static_cast<double>(count);
  parallel_for(ceil_div(count, kSlice), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t begin = chunk * kSlice;
    AdamSlice<T> slice = whole;
    slice.count = std::min(kSlice, count - begin);
    slice.param = param + begin;
    slice.grad = grad + begin;
    slice.m = m + begin;
    slice.v = v + begin;
    kernel(slice);
  });
}

template void adam_update(int64_t, float*, const float*, float*, float*, const AdamOptions&);
template void adam_update(int64_t, double*, const double*, double*, double*, const AdamOptions&);

}  // namespace fastnn
