// relu in plain loops: the truth.
#pragma once

#include <cstdint>

namespace fastnn {

template <class T>
void relu_forward_ref(int64_t count, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] < 0 ? T(0) : x[i];
}

template <class T>
void relu_backward_ref(int64_t count, const T* dy, const T* x, T* dx) {
  for (int64_t i = 0; i < count; ++i) dx[i] = x[i] > 0 ? dy[i] : T(0);
}

}  // namespace fastnn
