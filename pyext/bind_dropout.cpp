#include "array_arg.h"
#include "fastnn/ops/dropout/dropout.h"

namespace fastnn::python {
namespace {

template <class T>
py::array dropout_as(const char* op, const char* name, py::handle x_obj, const DropoutStream& stream,
                     double scale) {
  const ArrayArg<T> x(op, name, x_obj);
  check(x.rank() > 0, op, name, ": expected at least one axis, got shape ", x.shape());
  x.batched();
  auto y = new_like(x.view());
  const TensorView<T> out = view_of(y);
  run_kernel([&] { dropout<T>(x.view(), stream, static_cast<T>(scale), out); });
  return y;
}

}  // namespace

void bind_dropout(py::module_& m) {
  const auto bind = [&](const char* op, const char* name) {
    m.def(
        op,
        [op, name](py::object x, uint64_t bits, uint64_t example, int threshold, double scale) {
          return with_dtype(op, name, x, [&](auto zero) {
            return dropout_as<decltype(zero)>(op, name, x, {bits, example, threshold}, scale);
          });
        },
        py::arg(name), py::arg("bits"), py::arg("example"), py::arg("threshold"), py::arg("scale"));
  };
  bind("dropout_forward", "x");
  bind("dropout_backward", "dy");
}

}  // namespace fastnn::python
