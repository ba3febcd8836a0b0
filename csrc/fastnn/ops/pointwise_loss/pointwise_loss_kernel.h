// What the kernels of pointwise_loss take: a block of elements. See pointwise_loss.h for the equations.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

enum class PointwiseLoss { squared, absolute, huber, logistic };

template <class T>
struct PointwiseLossBlock {
  int64_t count;
  const T *scores, *targets;
  const T* weights;  // one an element, or null
  T delta;
  T* dscores;  // backward
  T scale;     // backward: of every slope
};

template <class T>
struct PointwiseLossKernel {
  T (*forward)(const PointwiseLossBlock<T>&);  // the sum of the block's weighted losses
  void (*backward)(const PointwiseLossBlock<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> PointwiseLossKernel<T> pointwise_loss_kernel(PointwiseLoss))

}  // namespace fastnn
