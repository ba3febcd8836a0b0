// softmax_cross_entropy: mean negative log-probability that softmax gives to the targets.
//
//   target_ij = (1 - smoothing) t_ij + smoothing / C        t_ij = [j == labels[i]], or given, any numbers
//   q_ij   = c_j target_ij                                   c_j = 1 without class weights
//   loss_i = sum_j q_ij (log sum_k exp(s[i, k]) - s[i, j])
//   value  = sum_i w_i loss_i / total                        w_i = 1 without weights
//   total  = sum_i w_i c_labels[i], with given targets sum_i w_i
//   dscores[i, j] = dvalue * w_i / total * (probs[i, j] sum_k q_ik - q_ij)
//
// A row whose label is ignore_index has w_i = 0 and a gradient of 0.
//
// scores, probs = softmax(scores), dscores and given targets are (N, C), contiguous columns, N >= 1; labels
// and weights are (N,), class weights (C,). Labels outside 0 ... C-1, negative or infinite weights, and a
// total of 0 throw. The value is summed in double, in the order of the rows. probs and dscores are
// overwritten and overlap no input, but that dscores may be the memory of probs. Thread-safe. T is float or
// double.
#pragma once

#include <cstdint>
#include <optional>

#include "fastnn/base/tensor_view.h"

namespace fastnn {

// What the loss compares scores with.
template <class T>
struct LossTargets {
  const int64_t* labels;  // or null where targets are given
  const T* weights;       // or null
  MatrixView<const T> given = {};
  const T* class_weights = nullptr;
  double smoothing = 0;  // 0 ... 1
  std::optional<int64_t> ignore_index = std::nullopt;
};

template <class T>
double softmax_cross_entropy_forward(MatrixView<const T> scores, const LossTargets<T>& targets,
                                     MatrixView<T> probs);

template <class T>
void softmax_cross_entropy_backward(double dvalue, MatrixView<const T> probs, const LossTargets<T>& targets,
                                    MatrixView<T> dscores);

}  // namespace fastnn
