// What the kernels of adam_update take: a slice of the run, and the step's constants. See adam_update.h for
// the equation.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct AdamSlice {
  int64_t count;
  T* param;
  const T* grad;
  T *m, *v;
  T beta1, beta2;
  T one_minus_beta1, one_minus_beta2;
  T step_size;  // lr / (1 - beta1^step)
  T v_scale;    // 1 / sqrt(1 - beta2^step)
  T eps;
  T decay;   // weight_decay, for g; 0 when decoupled
  T shrink;  // 1 - lr * weight_decay when decoupled, else 1
};

FASTNN_DECLARE_KERNEL(template <class T> void adam_update_slice(const AdamSlice<T>&))

}  // namespace fastnn
