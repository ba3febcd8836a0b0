#include "fastnn/ops/activation/activation_functions.h"
#include "fastnn/ops/activation/activation_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T, class Row>
static void activation_forward(const ActivationSpec& spec, int64_t count, const T* x, T* y) {
  using V = Vec<T>;
  const Row row(spec);
  for_each_register<V>(
      count, [&](int64_t i, auto lanes)
                 __attribute__((always_inline)) { store(row.forward(load<V>(x + i, lanes)), y + i, lanes); });
}

template <class T, class Row>
static void activation_backward(const ActivationSpec& spec, int64_t count, const T* dy, const T* kept,
                                T* dx) {
  using V = Vec<T>;
  const Row row(spec);
  for_each_register<V>(
      count, [&](int64_t i, auto lanes) __attribute__((always_inline)) {
        store(row.backward(load<V>(dy + i, lanes), load<V>(kept + i, lanes)), dx + i, lanes);
      });
}

template <class T>
ActivationKernel<T> activation_kernel(Activation function) {
  switch (function) {
#define FASTNN_X(name, Row) \
  case Activation::name:    \
    return {activation_forward<T, Row<T>>, activation_backward<T, Row<T>>};
    FASTNN_FOR_EACH_ACTIVATION(FASTNN_X)
#undef FASTNN_X
  }
  return {};
}

template ActivationKernel<float> activation_kernel<float>(Activation);
template ActivationKernel<double> activation_kernel<double>(Activation);

}  // namespace fastnn::FASTNN_ISA
