// adam_update: one step of Adam or AdamW over a run of parameters, in one pass.
//
//   decoupled: param *= 1 - lr * weight_decay, g = grad        else: g = grad + weight_decay * param
//   m = beta1 * m + (1 - beta1) * g
//   v = beta2 * v + (1 - beta2) * g^2
//   param -= lr * (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps)
//
// All arrays have `count` elements, one after another. param, m and v are overwritten; grad is only read;
// none may overlap another. What depends on the step alone is computed in double. Elements know nothing of
// each other: how arrays are joined or split changes no bit. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

namespace fastnn {

struct AdamOptions {
  int64_t step;  // counts from 1
  double lr;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;
};

template <class T>
void adam_update(int64_t count, T* param, const T* grad, T* m, T* v, const AdamOptions& options);

}  // namespace fastnn
