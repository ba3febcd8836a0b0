#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/allocator.h"
#include "fastnn/base/example_weights.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/softmax/softmax.h"
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.h"

namespace fastnn {
namespace {

// Whether every class has a share in a row's target, not the label alone.
template <class T>
bool spread(const LossTargets<T>& targets) {
  return !targets.labels || targets.smoothing != 0;
}

template <class T>
bool ignored(const LossTargets<T>& targets, int64_t i) {
  return targets.ignore_index && targets.labels[i] == *targets.ignore_index;
}

// The weight of row i in the mean: what it adds to the total.
template <class T>
double row_weight(const LossTargets<T>& targets, int64_t i) {
  const double weight = targets.weights ? static_cast<double>(targets.weights[i]) : 1;
  if (!targets.labels) return weight;
  if (ignored(targets, i)) return 0;
  return targets.class_weights ? weight * static_cast<double>(targets.class_weights[targets.labels[i]])
                               : weight;
}

// Refuses labels and weights that make no sense; returns the total that the sum of the losses is divided by.
template <class T>
double checked_total(const char* op, int64_t n, int64_t c, const LossTargets<T>& targets) {
  for (int64_t i = 0; targets.labels && i < n; ++i) {
    const int64_t label = targets.labels[i];
    check((0 <= label && label < c) || ignored(targets, i), op, "labels: expected integers from 0 to ", c - 1,
          ", got ", label, " in row ", i);
  }
  for (int64_t j = 0; targets.class_weights && j < c; ++j) {
    const double weight = static_cast<double>(targets.class_weights[j]);
    check(weight >= 0 && std::isfinite(weight), op, "class_weights: expected finite numbers >= 0, got ",
          weight, " for class ", j);
  }
  const double weight_sum = checked_weight_sum(op, n, targets.weights);
  if (!targets.labels || !(targets.class_weights || targets.ignore_index)) return weight_sum;
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += row_weight(targets, i);
  check(total > 0, op, "labels: expected a positive total weight, got none that counts");
  return total;
}

// The rows of a spread target, one at a time.
template <class T>
class SpreadRows {
 public:
  SpreadRows(int64_t c, const LossTargets<T>& targets) : targets_(targets), ones_(c) {
    std::fill_n(ones_.get(), c, T(1));
    row_ = {c,
            -1,
            nullptr,
            targets.class_weights ? targets.class_weights : ones_.get(),
            static_cast<T>(1 - targets.smoothing),
            static_cast<T>(targets.smoothing / static_cast<double>(c))};
  }

  SpreadRow<T> operator[](int64_t i) const {
    SpreadRow<T> row = row_;
    if (targets_.labels) {
      row.label = targets_.labels[i];
    } else {
      row.given = targets_.given.data + i * targets_.given.row_stride;
    }
    return row;
  }

 private:
  const LossTargets<T>& targets_;
  Buffer<T> ones_;
  SpreadRow<T> row_;
};

// Calls fn(i) for every row, from any thread.
template <class Fn>
void for_each_row(int64_t rows, int64_t cols, double bytes, Fn&& fn) {
  constexpr int64_t kChunk = 32768;  // elements: some tens of microseconds
  const int64_t step = std::max<int64_t>(1, kChunk / cols);
  parallel_for(ceil_div(rows, step), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t end = std::min(rows, (chunk + 1) * step);
    for (int64_t i = chunk * step; i < end; ++i) fn(i);
  });
}

}  // namespace

template <class T>
double softmax_cross_entropy_forward(MatrixView<const T> scores, const LossTargets<T>& targets,
                                     MatrixView<T> probs) {
  const double total_weight =
      checked_total("softmax_cross_entropy_forward", scores.rows, scores.cols, targets);
  Buffer<double> normalizers(2 * scores.rows);
  double* shift = normalizers.get();
  double* log_sum = shift + scores.rows;
  softmax(scores, probs, shift, log_sum);
  double total = 0;
  if (spread(targets)) {
    const SpreadRows<T> rows(scores.cols, targets);
    const auto kernel = FASTNN_DISPATCH(spread_forward_row<T>);
    const double bytes =
        2.0 * sizeof(T) * static_cast<double>(scores.rows) * static_cast<double>(scores.cols);
    for_each_row(scores.rows, scores.cols, bytes, [&](int64_t i) {
      if (targets.labels && ignored(targets, i)) return;
      const auto sums = kernel(rows[i], scores.data + i * scores.row_stride, static_cast<T>(shift[i]));
      // The row's loss, in the place of its normalizer.
      log_sum[i] = static_cast<double>(sums.mass) * log_sum[i] - static_cast<double>(sums.dot);
    });
    for (int64_t i = 0; i < scores.rows; ++i) {
      if (targets.labels && ignored(targets, i)) continue;
      total += targets.weights ? static_cast<double>(targets.weights[i]) * log_sum[i] : log_sum[i];
    }
    return total / total_weight;
  }
  for (int64_t i = 0; i < scores.rows; ++i) {
    if (ignored(targets, i)) continue;
    const double right = static_cast<double>(scores.data[i * scores.row_stride + targets.labels[i]]);
    const double loss = log_sum[i] - (right - shift[i]);
    total += row_weight(targets, i) * loss;
  }
  return total / total_weight;
}

template <class T>
void softmax_cross_entropy_backward(double dvalue, MatrixView<const T> probs, const LossTargets<T>& targets,
                                    MatrixView<T> dscores) {
  const double total_weight =
      checked_total("softmax_cross_entropy_backward", probs.rows, probs.cols, targets);
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(probs.rows) * static_cast<double>(probs.cols);
  if (spread(targets)) {
    const SpreadRows<T> rows(probs.cols, targets);
    const auto kernel = FASTNN_DISPATCH(spread_backward_row<T>);
    for_each_row(probs.rows, probs.cols, 2 * bytes, [&](int64_t i) {
      T* to = dscores.data + i * dscores.row_stride;
      if (targets.labels && ignored(targets, i)) {
        std::fill_n(to, probs.cols, T(0));
        return;
      }
      const double weight = targets.weights ? static_cast<double>(targets.weights[i]) : 1;
      kernel(rows[i], probs.data + i * probs.row_stride, static_cast<T>(dvalue * weight / total_weight), to);
    });
    return;
  }
  const auto kernel = FASTNN_DISPATCH(cross_entropy_backward_row<T>);
  for_each_row(probs.rows, probs.cols, bytes, [&](int64_t i) {
    T* to = dscores.data + i * dscores.row_stride;
    if (ignored(targets, i)) {
      std::fill_n(to, probs.cols, T(0));
      return;
    }
    kernel({probs.cols, targets.labels[i], probs.data + i * probs.row_stride, to,
            static_cast<T>(dvalue * row_weight(targets, i) / total_weight)});
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
