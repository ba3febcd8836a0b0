// plan: a net in prediction mode as a list of steps that one call runs.
//
// Every step reads one value, some a residual too, and makes the next; value 0 is the input, of any strides.
// Values between steps are dense, images with channels last; their blocks come from the caching allocator and
// go back after their last reader. The last step makes the result. Weights are copied when a step is added,
// and those of linear steps are packed for the active ISA. Running is const and thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "fastnn/base/arch.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/conv2d/conv2d.h"
#include "fastnn/plan/step.h"

namespace fastnn {

template <class T>
class Plan {
 public:
  // Each appends a step that reads value `x`, and returns the number of the value that it makes. A residual
  // is a value that is added before the ReLU; -1 is none.
  int linear(int x, MatrixView<const T> w, const T* b, int residual, bool relu);
  int conv2d(int x, TensorView<const T> w, const T* b, const Conv2dSettings& settings, int residual,
             bool relu);
  int batchnorm(int x, int64_t channels, const BatchNorm<T>& norm, int residual);
  int relu(int x);
  int maxpool2d(int x, const Window2d& window, bool ceil_mode);
  int avgpool2d(int x, const Window2d& window, bool ceil_mode, bool count_include_pad);
  int global_avgpool2d(int x);
  int flatten(int x);  // (N, ...) to (N, features) in C order

  // The result's shape and strides, without data; throws if the input does not fit.
  TensorView<T> result(const TensorView<const T>& x) const;

  // `y` is as `result` says.
  void run(const TensorView<const T>& x, const TensorView<T>& y) const;

 private:
  int append(std::unique_ptr<Step<T>> step);

  std::vector<std::unique_ptr<Step<T>>> steps_;
  std::vector<int> last_reader_;  // by value: the last step that reads it
  Isa isa_ = active_isa();
};

}  // namespace fastnn
