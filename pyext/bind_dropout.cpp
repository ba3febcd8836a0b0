#include "array_arg.h"
#include "fastnn/ops/dropout/dropout.h"
#include "fastnn/ops/gaussian_noise/gaussian_noise.h"

namespace fastnn::python {
namespace {

template <class T>
ArrayArg<T> examples(const char* op, const char* name, py::handle object) {
  ArrayArg<T> x(op, name, object);
  check(x.rank() > 0, op, name, ": expected at least one axis, got shape ", x.shape());
  x.batched();
  return x;
}

template <class T>
py::array dropout_as(const char* op, const char* name, py::handle x_obj, const DropoutStream& stream,
                     double scale, DropoutGroup group) {
  const ArrayArg<T> x = examples<T>(op, name, x_obj);
  auto y = new_like(x.view());
  const TensorView<T> out = view_of(y);
  run_kernel([&] { dropout<T>(x.view(), stream, static_cast<T>(scale), group, out); });
  return y;
}

template <class T>
py::array gaussian_noise_as(py::handle x_obj, const NoiseStream& stream, double std) {
  const ArrayArg<T> x = examples<T>("gaussian_noise", "x", x_obj);
  auto y = new_like(x.view());
  const TensorView<T> out = view_of(y);
  run_kernel([&] { gaussian_noise<T>(x.view(), stream, static_cast<T>(std), out); });
  return y;
}

}  // namespace

void bind_dropout(py::module_& m) {
  const auto bind = [&](const char* op, const char* name) {
    def(
        m, op,
        [op, name](py::object x, uint64_t bits, uint64_t example, int threshold, double scale, int group) {
          return with_dtype(op, name, x, [&](auto zero) {
            return dropout_as<decltype(zero)>(op, name, x, {bits, example, threshold}, scale,
                                              static_cast<DropoutGroup>(group));
          });
        },
        py::arg(name), py::arg("bits"), py::arg("example"), py::arg("threshold"), py::arg("scale"),
        py::arg("group"));
  };
  bind("dropout_forward", "x");
  bind("dropout_backward", "dy");
  def(
      m, "gaussian_noise",
      [](py::object x, uint64_t bits, uint64_t example, double std) {
        return with_dtype("gaussian_noise", "x", x, [&](auto zero) {
          return gaussian_noise_as<decltype(zero)>(x, {bits, example}, std);
        });
      },
      py::arg("x"), py::arg("bits"), py::arg("example"), py::arg("std"));
}

}  // namespace fastnn::python
