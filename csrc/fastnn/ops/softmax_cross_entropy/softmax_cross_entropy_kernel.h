// What the kernels of softmax_cross_entropy take: one row of the backward pass. The forward pass is
// softmax's.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct CrossEntropyRow {
  int64_t cols, label;
  const T* probs;
  T* dscores;
  T scale;  // of the row's gradient
};

FASTNN_DECLARE_KERNEL(template <class T> void cross_entropy_backward_row(const CrossEntropyRow<T>&))

}  // namespace fastnn
