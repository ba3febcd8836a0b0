#include "fastnn/ops/hinge/hinge.h"

#include <algorithm>

#include "fastnn/base/allocator.h"
#include "fastnn/base/example_weights.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/hinge/hinge_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kChunk = 32768;      // elements: some tens of microseconds
constexpr double kNsPerElement = 0.5;  // one read, and in backward one write

template <class T>
double checked_total(const char* op, MatrixView<const T> scores, const HingeTargets<T>& targets) {
  for (int64_t i = 0; i < scores.rows; ++i) {
    const int64_t label = targets.labels[i];
    check(0 <= label && label < scores.cols, op, "labels: expected integers from 0 to ", scores.cols - 1,
          ", got ", label, " in row ", i);
  }
  return checked_weight_sum(op, scores.rows, targets.weights);
}

// Calls fn(i) for every row, from any thread.
template <class Fn>
void for_each_row(int64_t rows, int64_t cols, Fn&& fn) {
  const int64_t step = std::max<int64_t>(1, kChunk / cols);
  const double work_ns = kNsPerElement * static_cast<double>(rows) * static_cast<double>(cols);
  parallel_for(ceil_div(rows, step), work_ns, [&](int64_t chunk) {
    const int64_t end = std::min(rows, (chunk + 1) * step);
    for (int64_t i = chunk * step; i < end; ++i) fn(i);
  });
}

}  // namespace

template <class T>
double hinge_forward(MatrixView<const T> scores, const HingeTargets<T>& targets) {
  const double total_weight = checked_total("hinge_forward", scores, targets);
  const HingeKernel<T> kernel = FASTNN_DISPATCH(hinge_kernel<T>)();
  Buffer<double> losses(scores.rows);
  double* loss = losses.get();
  for_each_row(scores.rows, scores.cols, [&](int64_t i) {
    const HingeRow<T> row{scores.cols,
                          targets.labels[i],
                          scores.data + i * scores.row_stride,
                          static_cast<T>(targets.margin),
                          nullptr,
                          0};
    loss[i] = static_cast<double>(kernel.forward(row));
  });
  double total = 0;
  for (int64_t i = 0; i < scores.rows; ++i) {
    total += targets.weights ? static_cast<double>(targets.weights[i]) * loss[i] : loss[i];
  }
  return total / total_weight;
}

template <class T>
void hinge_backward(double dvalue, MatrixView<const T> scores, const HingeTargets<T>& targets,
                    MatrixView<T> dscores) {
  const double total_weight = checked_total("hinge_backward", scores, targets);
  const HingeKernel<T> kernel = FASTNN_DISPATCH(hinge_kernel<T>)();
  for_each_row(scores.rows, scores.cols, [&](int64_t i) {
    const double weight = targets.weights ? static_cast<double>(targets.weights[i]) : 1;
    kernel.backward({scores.cols, targets.labels[i], scores.data + i * scores.row_stride,
                     static_cast<T>(targets.margin), dscores.data + i * dscores.row_stride,
                     static_cast<T>(dvalue * weight / total_weight)});
  });
}

#define FASTNN_X(T)                                                           \
  template double hinge_forward(MatrixView<const T>, const HingeTargets<T>&); \
  template void hinge_backward(double, MatrixView<const T>, const HingeTargets<T>&, MatrixView<T>);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
