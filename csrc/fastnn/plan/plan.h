// plan: a net in prediction mode as a list of steps that one call runs.
//
// Every step reads one value, some a residual too, and makes the next; value 0 is the input, of any strides.
// Values between steps are dense, images with channels last; they share one block of memory, each for as long
// as it has readers. The last step makes the result. Weights are copied when a step is added;
// those of linear steps are packed for the active ISA then, those of convolutions when they first meet images
// of a size, on which their form depends. Running is const and thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "fastnn/base/arch.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"
#include "fastnn/ops/activation/activation.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/conv2d/conv2d.h"
#include "fastnn/plan/step.h"

namespace fastnn {

template <class T>
class Plan {
 public:
  // Each appends a step that reads value `x`, and returns the number of the value that it makes. A residual
  // is a value that is added before the ReLU; -1 is none.
  // Rows of a linear step `of_images` are images that a step made, their features in H, W, C order.
  int linear(int x, MatrixView<const T> w, const T* b, bool of_images, int residual, bool relu);
  int conv2d(int x, TensorView<const T> w, const T* b, const Conv2dSettings& settings, int residual,
             bool relu);
  // The input of a batch norm has `rank` axes, or 2 or 4 if that is 0.
  int batchnorm(int x, int rank, int64_t channels, const BatchNorm<T>& norm, int residual);
  int relu(int x);
  int activation(int x, const ActivationSpec& spec);
  int maxpool2d(int x, const Window2d& window, bool ceil_mode);
  int avgpool2d(int x, const Window2d& window, bool ceil_mode, bool count_include_pad);
  int global_avgpool2d(int x);
  int flatten(int x);  // (N, ...) to (N, features) in C order

  // The result's shape and strides, without data; throws if the input does not fit.
  TensorView<T> result(const TensorView<const T>& x) const;

  // `y` is as `result` says.
  void run(const TensorView<const T>& x, const TensorView<T>& y) const;

 private:
  // How an input of one shape passes through the steps.
  struct Flow {
    std::vector<TensorView<T>> values;  // by number, without data; value 0 has the input's shape
    std::vector<int64_t> offset;        // of each value in the block
    int64_t size = 0;                   // of the block
  };

  int append(std::unique_ptr<Step<T>> step);
  std::shared_ptr<const Flow> flow(const TensorView<const T>& x) const;
  void place(Flow& flow) const;

  std::vector<std::unique_ptr<Step<T>>> steps_;
  std::vector<int> last_reader_;  // by value: the last step that reads it
  Isa isa_ = active_isa();
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Flow> latest_;  // most calls have the shape of the call before
};

}  // namespace fastnn
