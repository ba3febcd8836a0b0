// adam_update in plain loops: the truth that the kernels are compared with.
#pragma once

#include <cmath>

#include "fastnn/ops/adam_update/adam_update.h"

namespace fastnn {

template <class T>
void adam_update_ref(int64_t count, T* param, const T* grad, T* m, T* v, const AdamOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    double p = double(param[i]), g = double(grad[i]);
    if (o.decoupled) {
      p *= 1 - o.lr * o.weight_decay;
    } else {
      g += o.weight_decay * p;
    }
    const double first = o.beta1 * double(m[i]) + (1 - o.beta1) * g;
    const double second = o.beta2 * double(v[i]) + (1 - o.beta2) * g * g;
    const double first_hat = first / (1 - std::pow(o.beta1, double(o.step)));
    const double second_hat = second / (1 - std::pow(o.beta2, double(o.step)));
    m[i] = T(first);
    v[i] = T(second);
    param[i] = T(p - o.lr * first_hat / (std::sqrt(second_hat) + o.eps));
  }
}

}  // namespace fastnn
