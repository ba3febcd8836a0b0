// activation in plain loops: the truth.
#pragma once

#include <cmath>
#include <cstdint>

#include "fastnn/ops/activation/activation.h"

namespace fastnn {

inline double sigmoid_ref(double x) { return 1 / (1 + std::exp(-x)); }
inline double normal_cdf_ref(double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; }
inline double normal_density_ref(double x) { return std::exp(-x * x / 2) * std::sqrt(0.5 / std::acos(-1.0)); }
inline double gelu_argument_ref(double x) {
  return 2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
}

inline double activation_ref(const ActivationSpec& spec, double x) {
  switch (spec.function) {
    case Activation::sigmoid:
      return sigmoid_ref(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::leaky_relu:
      return x > 0 ? x : spec.a * x;
    case Activation::elu:
    case Activation::selu:
      return spec.b * (x > 0 ? x : spec.a * std::expm1(x));
    case Activation::gelu:
      return x * normal_cdf_ref(x);
    case Activation::gelu_tanh:
      return x * sigmoid_ref(gelu_argument_ref(x));
    case Activation::silu:
      return x * sigmoid_ref(x);
    case Activation::softplus:
      return spec.a * x > spec.b ? x : std::log1p(std::exp(spec.a * x)) / spec.a;
  }
  return NAN;
}

inline double activation_slope_ref(const ActivationSpec& spec, double x) {
  const double s = sigmoid_ref(x), u = sigmoid_ref(gelu_argument_ref(x));
  const double not_s = sigmoid_ref(-x), not_u = sigmoid_ref(-gelu_argument_ref(x));
  switch (spec.function) {
    case Activation::sigmoid:
      return s * not_s;
    case Activation::tanh:
      return 1 - std::tanh(x) * std::tanh(x);
    case Activation::leaky_relu:
      return x > 0 ? 1 : spec.a;
    case Activation::elu:
    case Activation::selu:
      return spec.b * (x > 0 ? 1 : spec.a * std::exp(x));
    case Activation::gelu:
      return normal_cdf_ref(x) + x * normal_density_ref(x);
    case Activation::gelu_tanh:
      return u + x * u * not_u * 2 * std::sqrt(2 / std::acos(-1.0)) * (1 + 3 * 0.044715 * x * x);
    case Activation::silu:
      return s + x * s * not_s;
    case Activation::softplus:
      return spec.a * x > spec.b ? 1 : sigmoid_ref(spec.a * x);
  }
  return NAN;
}

template <class T>
void activation_forward_ref(const ActivationSpec& spec, int64_t count, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = T(activation_ref(spec, x[i]));
}

template <class T>
void activation_backward_ref(const ActivationSpec& spec, int64_t count, const T* dy, const T* x, T* dx) {
  for (int64_t i = 0; i < count; ++i) dx[i] = T(dy[i] * activation_slope_ref(spec, x[i]));
}

}  // namespace fastnn
