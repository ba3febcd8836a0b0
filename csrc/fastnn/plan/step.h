// One step of a plan.
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

template <class T>
struct Step {
  int x, residual;  // numbers of the values that it reads; a residual of -1 is none

  explicit Step(int x, int residual = -1) : x(x), residual(residual) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;

  // The result for an input of this shape, without data; throws if it does not fit.
  virtual TensorView<T> result(const TensorView<const T>& x) const = 0;
  // `residual` has no data where there is none.
  virtual void run(const TensorView<const T>& x, const TensorView<const T>& residual,
                   const TensorView<T>& y) const = 0;
};

}  // namespace fastnn
