// adaptive_update in plain loops: the truth that the kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastnn/ops/adaptive_update/adaptive_update.h"

namespace fastnn {

template <class T>
void adagrad_update_ref(int64_t count, T* param, const T* grad, T* total, const AdagradOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    const double p = double(param[i]), g = double(grad[i]) + o.weight_decay * p;
    const double sum = double(total[i]) + g * g;
    total[i] = T(sum);
    param[i] = T(p - o.lr * g / (std::sqrt(sum) + o.eps));
  }
}

template <class T>
void rmsprop_update_ref(int64_t count, T* param, const T* grad, T* square, T* mean, T* velocity,
                        const RmspropOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    const double p = double(param[i]), g = double(grad[i]) + o.weight_decay * p;
    const double s = o.alpha * double(square[i]) + (1 - o.alpha) * g * g;
    const double centre = mean ? o.alpha * double(mean[i]) + (1 - o.alpha) * g : 0;
    double step = g / (std::sqrt(std::max(s - centre * centre, 0.0)) + o.eps);
    if (velocity) step += o.momentum * double(velocity[i]);
    square[i] = T(s);
    if (mean) mean[i] = T(centre);
    if (velocity) velocity[i] = T(step);
    param[i] = T(p - o.lr * step);
  }
}

template <class T>
void adadelta_update_ref(int64_t count, T* param, const T* grad, T* square, T* change,
                         const AdadeltaOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    const double p = double(param[i]), g = double(grad[i]) + o.weight_decay * p;
    const double s = o.rho * double(square[i]) + (1 - o.rho) * g * g;
    const double delta = std::sqrt((double(change[i]) + o.eps) / (s + o.eps)) * g;
    square[i] = T(s);
    change[i] = T(o.rho * double(change[i]) + (1 - o.rho) * delta * delta);
    param[i] = T(p - o.lr * delta);
  }
}

template <class T>
void nadam_update_ref(int64_t count, T* param, const T* grad, T* m, T* v, const NadamOptions& o) {
  for (int64_t i = 0; i < count; ++i) {
    double p = double(param[i]), g = double(grad[i]);
    if (o.decoupled) {
      p *= 1 - o.lr * o.weight_decay;
    } else {
      g += o.weight_decay * p;
    }
    const double first = o.beta1 * double(m[i]) + (1 - o.beta1) * g;
    const double second = o.beta2 * double(v[i]) + (1 - o.beta2) * g * g;
    m[i] = T(first);
    v[i] = T(second);
    param[i] = T(p - (o.grad_rate * g + o.m_rate * first) / (std::sqrt(second) * o.v_scale + o.eps));
  }
}

}  // namespace fastnn
