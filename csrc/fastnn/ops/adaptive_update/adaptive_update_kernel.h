// What the kernels of adaptive_update take: a slice of the run, its rule and the step's constants. See
// adaptive_update.h for the equations.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

enum class AdaptiveRule { adagrad, rmsprop, adadelta, nadam };

template <class T>
struct AdaptiveSlice {
  AdaptiveRule rule;
  int64_t count;
  T* param;
  const T* grad;
  T* state[3];    // as many as the rule has; rmsprop: square, then mean if centered, then velocity
  bool centered;  // rmsprop
  bool momentum;  // rmsprop
  T lr, eps;
  T decay;                       // weight_decay, for g; 0 when decoupled
  T shrink;                      // 1 - lr * weight_decay when decoupled, else 1
  T keep, fresh;                 // share of the old average and of the new value: rho and 1 - rho
  T keep_m, fresh_m;             // likewise for nadam's first moment; keep_m is rmsprop's momentum
  T grad_rate, m_rate, v_scale;  // nadam
};

FASTNN_DECLARE_KERNEL(template <class T> void adaptive_update_slice(const AdaptiveSlice<T>&))

}  // namespace fastnn
