// What the kernels of softmax_cross_entropy take: one row. The forward pass of a bare label is softmax's.
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

// A row in which every class has a share: q_j = class_weights_j * (on * t_j + off), t from given targets or a
// label.
template <class T>
struct SpreadRow {
  int64_t cols;
  int64_t label;           // -1 where targets are given
  const T* given;          // or null
  const T* class_weights;  // ones where there are none
  T on, off;
};

// The row's sums of q and of q (s - shift).
template <class T>
struct SpreadSums {
  T mass, dot;
};

FASTNN_DECLARE_KERNEL(template <class T> void cross_entropy_backward_row(const CrossEntropyRow<T>&))
FASTNN_DECLARE_KERNEL(template <class T> SpreadSums<T> spread_forward_row(const SpreadRow<T>&,
                                                                          const T* scores, T shift))
FASTNN_DECLARE_KERNEL(template <class T>
                      void spread_backward_row(const SpreadRow<T>&, const T* probs, T scale, T* dscores))

}  // namespace fastnn
