#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// THE list of pointwise activations: X(name, Row), where Row is a struct of activation_functions.h. Kernels
// and bindings follow it.
#define FASTNN_FOR_EACH_ACTIVATION(X) \
  X(sigmoid, Sigmoid)                 \
  X(tanh, Tanh)                       \
  X(leaky_relu, LeakyRelu)            \
  X(elu, Elu)                         \
  X(selu, Elu)                        \
  X(gelu, Gelu)                       \
  X(gelu_tanh, GeluTanh)              \
  X(silu, Silu)                       \
  X(softplus, Softplus)

#define FASTNN_NAME_(name, Row) name,
enum class Activation { FASTNN_FOR_EACH_ACTIVATION(FASTNN_NAME_) };
#undef FASTNN_NAME_

// One function and its constants.
struct ActivationSpec {
  Activation function;
  double a, b;
};

// On `count` elements that lie together.
template <class T>
struct ActivationKernel {
  void (*forward)(const ActivationSpec& spec, int64_t count, const T* x, T* y);
  void (*backward)(const ActivationSpec& spec, int64_t count, const T* dy, const T* kept, T* dx);
};

FASTNN_DECLARE_KERNEL(template <class T> ActivationKernel<T> activation_kernel(Activation function))

}  // namespace fastnn
