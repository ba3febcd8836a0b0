#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/allocator.h"
#include "fastnn/base/check.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/softmax/softmax.h"
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.h"

namespace fastnn {
namespace {

// Refuses labels and weights that make no sense; returns the sum of the weights.
template <class T>
double checked_weight_sum(const char* op, int64_t n, int64_t c, const LossTargets<T>& targets) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t label = targets.labels[i];
    check(0 <= label && label < c, op, "labels: expected integers from 0 to ", c - 1, ", got ", label,
          " in row ", i);
  }
  if (!targets.weights) return static_cast<double>(n);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double weight = static_cast<double>(targets.weights[i]);
    check(weight >= 0 && std::isfinite(weight), op, "weights: expected finite numbers >= 0, got ", weight,
          " in row ", i);
    total += weight;
  }
  check(total > 0, op, "weights: expected a positive sum, got 0");
  return total;
}

}  // namespace

template <class T>
double softmax_cross_entropy_forward(MatrixView<const T> scores, const LossTargets<T>& targets,
                                     MatrixView<T> probs) {
  const double total_weight =
      checked_weight_sum("softmax_cross_entropy_forward", scores.rows, scores.cols, targets);
  Buffer<double> normalizers(2 * scores.rows);
  double* shift = normalizers.get();
  double* log_sum = shift + scores.rows;
  softmax(scores, probs, shift, log_sum);
  double total = 0;
  for (int64_t i = 0; i < scores.rows; ++i) {
    const double right = static_cast<double>(scores.data[i * scores.row_stride + targets.labels[i]]);
    const double loss = log_sum[i] - (right - shift[i]);
    total += targets.weights ? static_cast<double>(targets.weights[i]) * loss : loss;
  }
  return total / total_weight;
}

template <class T>
void softmax_cross_entropy_backward(double dvalue, MatrixView<const T> probs, const LossTargets<T>& targets,
                                    MatrixView<T> dscores) {
  constexpr int64_t kChunk = 32768;  // elements: some tens of microseconds
  const double total_weight =
      checked_weight_sum("softmax_cross_entropy_backward", probs.rows, probs.cols, targets);
  const auto kernel = FASTNN_DISPATCH(cross_entropy_backward_row<T>);
  const int64_t rows = std::max<int64_t>(1, kChunk / probs.cols);
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(probs.rows) * static_cast<double>(probs.cols);
  parallel_for(ceil_div(probs.rows, rows), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t end = std::min(probs.rows, (chunk + 1) * rows);
    for (int64_t i = chunk * rows; i < end; ++i) {
      const double weight = targets.weights ? static_cast<double>(targets.weights[i]) : 1;
      kernel({probs.cols, targets.labels[i], probs.data + i * probs.row_stride,
              dscores.data + i * dscores.row_stride, static_cast<T>(dvalue * weight / total_weight)});
    }
  });
}

#define FASTNN_X(T)                                                                                         \
  template double softmax_cross_entropy_forward(MatrixView<const T>, const LossTargets<T>&, MatrixView<T>); \
  template void softmax_cross_entropy_backward(double, MatrixView<const T>, const LossTargets<T>&,          \
                                               MatrixView<T>);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
