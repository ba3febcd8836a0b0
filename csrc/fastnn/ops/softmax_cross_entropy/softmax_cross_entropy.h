// softmax_cross_entropy: mean negative log-probability that softmax gives to the right classes.
//
//   loss_i = log sum_j exp(s[i, j]) - s[i, labels[i]]
//   value  = sum_i w_i loss_i / sum_i w_i                                 w_i = 1 without weights
//   dscores[i, j] = dvalue * w_i / sum_i w_i * (probs[i, j] - [j == labels[i]])
//
// scores, probs = softmax(scores) and dscores are (N, C), contiguous columns, N >= 1; labels and weights are
// (N,). Labels outside 0 ... C-1, negative or infinite weights, and weights that sum to 0 throw. The value is
// summed in double, in the order of the rows. probs and dscores are overwritten and overlap no input, but
// that dscores may be the memory of probs. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

#include "fastnn/base/tensor_view.h"

namespace fastnn {

// What the loss compares scores with.
template <class T>
struct LossTargets {
  const int64_t* labels;
  const T* weights;  // or null
};

template <class T>
double softmax_cross_entropy_forward(MatrixView<const T> scores, const LossTargets<T>& targets,
                                     MatrixView<T> probs);

template <class T>
void softmax_cross_entropy_backward(double dvalue, MatrixView<const T> probs, const LossTargets<T>& targets,
                                    MatrixView<T> dscores);

}  // namespace fastnn
