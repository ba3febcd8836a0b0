#include "array_arg.h"
#include "fastnn/ops/relu/relu.h"

namespace fastnn::python {
namespace {

template <class T>
py::array relu_forward_as(py::handle x_obj) {
  const ArrayArg<T> x("relu_forward", "x", x_obj);
  x.batched();
  auto y = new_like(x.view());
  const TensorView<T> out = view_of(y);
  run_kernel([&] { relu_forward<T>(x.view(), out); });
  return y;
}

template <class T>
py::array relu_backward_as(py::handle dy_obj, py::handle x_obj) {
  const char* op = "relu_backward";
  const ArrayArg<T> x(op, "x", x_obj), dy(op, "dy", dy_obj);
  dy.shaped_like(x);
  auto dx = new_like(x.view());
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { relu_backward<T>(dy.view(), x.view(), out); });
  return dx;
}

}  // namespace

void bind_activation(py::module_& m) {
  m.def(
      "relu_forward",
      [](py::object x) {
        return with_dtype("relu_forward", "x", x,
                          [&](auto zero) { return relu_forward_as<decltype(zero)>(x); });
      },
      py::arg("x"));
  m.def(
      "relu_backward",
      [](py::object dy, py::object x) {
        return with_dtype("relu_backward", "x", x,
                          [&](auto zero) { return relu_backward_as<decltype(zero)>(dy, x); });
      },
      py::arg("dy"), py::arg("x"));
}

}  // namespace fastnn::python
