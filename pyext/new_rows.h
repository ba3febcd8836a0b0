// Results that lie in memory as rows of pixels, channels last.
#pragma once

#include "array_arg.h"
#include "fastnn/base/pixel_rows.h"

namespace fastnn::python {

// A new array of x's shape, its channels last in memory.
template <class T>
std::pair<py::array_t<T>, TensorView<T>> new_rows(const ArrayArg<T>& x) {
  auto array = x.rank() == 4 ? new_image<T>(x.dim(0), x.dim(1), x.dim(2), x.dim(3))
                             : new_array<T>({x.dim(0), x.dim(1)});
  return {array, view_of(array)};
}

// Whether x can be written over as if new_rows had made it.
template <class T>
bool is_new_rows(const ArrayArg<T>& x) {
  const TensorView<const T> view = x.view();
  const TensorView<T> dense = channels_last_like<T>(view, nullptr);
  bool same = x.array().writeable();
  for (int d = 0; d < view.rank; ++d) same = same && (view.shape[d] < 2 || view.stride[d] == dense.stride[d]);
  return same;
}

}  // namespace fastnn::python
