#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

enum class Activation {
#define FASTNN_ACTIVATION(name, Row) name,
#include "fastnn/ops/activation/activation.inc"
#undef FASTNN_ACTIVATION
};

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
