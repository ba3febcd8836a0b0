#include "fastnn/ops/relu/relu_kernel.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static void relu_forward(int64_t count, const T* x, T* y, bool stream) {
  using V = Vec<T>;
  int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) {
    const V value = max(V::zero(), V::load(x + i));
    stream ? value.stream(y + i) : value.store(y + i);
  }
  const int tail = static_cast<int>(count - i);
  if (tail) max(V::zero(), V::load(x + i, tail)).store(y + i, tail);
  if (stream) end_streams();
}

template <class T>
static void relu_backward(int64_t count, const T* dy, const T* x, T* dx, bool stream) {
  using V = Vec<T>;
  const V zero = V::zero();
  int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) {
    const V value = select(V::load(x + i) > zero, V::load(dy + i), zero);
    stream ? value.stream(dx + i) : value.store(dx + i);
  }
  const int tail = static_cast<int>(count - i);
  if (tail) select(V::load(x + i, tail) > zero, V::load(dy + i, tail), zero).store(dx + i, tail);
  if (stream) end_streams();
}

template <class T>
ReluKernel<T> relu_kernel() {
  return {relu_forward<T>, relu_backward<T>};
}

template ReluKernel<float> relu_kernel<float>();
template ReluKernel<double> relu_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
