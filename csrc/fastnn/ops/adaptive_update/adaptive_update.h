// adaptive_update: one step of an optimizer that scales every element by its own history, in one pass over a
// run of parameters. With g = grad + weight_decay * param, or decoupled param *= 1 - lr * weight_decay first:
//
//   adagrad   total += g^2;  param -= lr * g / (sqrt(total) + eps)
//   rmsprop   square = alpha * square + (1 - alpha) * g^2;  scaled = g / (sqrt(square) + eps)
//             centered: mean = alpha * mean + (1 - alpha) * g;  the root is of max(square - mean^2, 0)
//             with a velocity: velocity = momentum * velocity + scaled;  param -= lr * velocity, else lr *
//             scaled
//   adadelta  square = rho * square + (1 - rho) * g^2;  delta = sqrt((change + eps) / (square + eps)) * g
//             change = rho * change + (1 - rho) * delta^2;  param -= lr * delta
//   nadam     m and v as Adam's;  param -= (grad_rate * g + m_rate * m) / (sqrt(v) * v_scale + eps)
//
// All arrays have `count` elements, one after another. param and the state are overwritten; grad is only
// read; none may overlap another. Elements know nothing of each other: how arrays are joined or split changes
// no bit. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

namespace fastnn {

struct AdagradOptions {
  double lr, eps, weight_decay;
};

template <class T>
void adagrad_update(int64_t count, T* param, const T* grad, T* total, const AdagradOptions& options);

struct RmspropOptions {
  double lr, alpha, eps, weight_decay, momentum;
};

// mean is null unless centered, velocity is null without momentum.
template <class T>
void rmsprop_update(int64_t count, T* param, const T* grad, T* square, T* mean, T* velocity,
                    const RmspropOptions& options);

struct AdadeltaOptions {
  double lr, rho, eps, weight_decay;
};

template <class T>
void adadelta_update(int64_t count, T* param, const T* grad, T* square, T* change,
                     const AdadeltaOptions& options);

struct NadamOptions {
  double lr;         // of the decoupled decay
  double grad_rate;  // lr (1 - mu_t) / (1 - mu_1 ... mu_t)
  double m_rate;     // lr mu_{t+1} / (1 - mu_1 ... mu_{t+1})
  double v_scale;    // 1 / sqrt(1 - beta2^t)
  double beta1, beta2, eps, weight_decay;
  bool decoupled;
};

template <class T>
void nadam_update(int64_t count, T* param, const T* grad, T* m, T* v, const NadamOptions& options);

}  // namespace fastnn
