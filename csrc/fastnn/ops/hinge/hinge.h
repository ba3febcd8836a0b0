// hinge: the multiclass support-vector loss: every wrong class should score below the right one by a margin.
//
//   loss_i = sum_{j != y_i} max(0, s[i, j] - s[i, y_i] + margin)
//   value  = sum_i w_i loss_i / sum_i w_i                                 w_i = 1 without weights
//   dscores[i, j]   = dvalue * w_i / sum_i w_i * [s[i, j] - s[i, y_i] + margin > 0]        j != y_i
//   dscores[i, y_i] = minus the sum of the row's others
//
// scores and dscores are (N, C), contiguous columns, N >= 1; labels and weights are (N,). Labels outside
// 0 ... C-1, negative or infinite weights, and weights that sum to 0 throw. The value is summed in double, in
// the order of the rows. dscores is overwritten and overlaps no input. Thread-safe. T is float or double.
#pragma once

#include <cstdint>

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
struct HingeTargets {
  const int64_t* labels;
  const T* weights;  // or null
  double margin = 1;
};

template <class T>
double hinge_forward(MatrixView<const T> scores, const HingeTargets<T>& targets);

template <class T>
void hinge_backward(double dvalue, MatrixView<const T> scores, const HingeTargets<T>& targets,
                    MatrixView<T> dscores);

}  // namespace fastnn
