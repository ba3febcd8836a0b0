// sgd_update: one step of gradient descent over a run of parameters, in one pass.
//
//   g = grad + weight_decay * param
//   velocity = momentum * velocity + g
//   param -= lr * velocity            or, with nesterov,  param -= lr * (g + momentum * velocity)
//
// All arrays have `count` elements, one after another. param and velocity are overwritten; grad is only read;
// none may overlap another. Without a velocity (null) momentum must be 0, and param -= lr * g. Elements know
// nothing of each other: how arrays are joined or split changes no bit. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

namespace fastnn {

struct SgdOptions {
  double lr;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

template <class T>
void sgd_update(int64_t count, T* param, const T* grad, T* velocity, const SgdOptions& options);

}  // namespace fastnn
