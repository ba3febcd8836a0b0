// sgd_update in plain loops: the truth that the kernels are compared with.
#pragma once

#include "fastnn/ops/sgd_update/sgd_update.h"

namespace fastnn {

template <class T>
void sgd_update_ref(int64_t count, T* param, const T* grad, T* velocity, const SgdOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    const double g = double(grad[i]) + o.weight_decay * double(param[i]);
    double step = g;
    if (velocity) {
      const double v = o.momentum * double(velocity[i]) + g;
      velocity[i] = T(v);
      step = o.nesterov ? g + o.momentum * v : v;
    }
    param[i] = T(double(param[i]) - o.lr * step);
  }
}

}  // namespace fastnn
