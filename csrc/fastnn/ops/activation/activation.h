// activation: pointwise functions of one variable, each with its derivative.
//
//   forward    y  = f(x)
//   backward   dx = dy f'(x)
//
//   name        f(x)                                        constants a, b        kept
//   sigmoid     1 / (1 + e^-x)                                                    y
//   tanh        (e^2x - 1) / (e^2x + 1)                                           y
//   leaky_relu  x where x > 0, else a x                     slope                 x
//   elu, selu   b x where x > 0, else b a (e^x - 1)         alpha, scale          x
//   gelu        x Phi(x), Phi the normal distribution                             x
//   gelu_tanh   x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))                        x
//   silu        x sigmoid(x)                                                      x
//   softplus    log(1 + e^(a x)) / a where a x <= b, else x beta, threshold       x
//
// `kept` is the array that backward wants beside dy. Any shape and strides; y and dx are dense in some order
// of axes, and are overwritten. They may be the memory of an input if their strides agree. No finite x
// overflows. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/activation/activation_kernel.h"

namespace fastnn {

template <class T>
void activation_forward(const ActivationSpec& spec, const TensorView<const T>& x, const TensorView<T>& y);

template <class T>
void activation_backward(const ActivationSpec& spec, const TensorView<const T>& dy,
                         const TensorView<const T>& kept, const TensorView<T>& dx);

}  // namespace fastnn
