#include "array_arg.h"
#include "conv_arg.h"
#include "fastnn/plan/plan.h"

namespace fastnn::python {
namespace {

Window2d window_of(const Pair& kernel, const Pair& stride, const Pair& padding) {
  return {{kernel.first, stride.first, padding.first, 1}, {kernel.second, stride.second, padding.second, 1}};
}

// A vector by channel, or null for None.
template <class T>
class Channels {
 public:
  Channels(const char* op, const char* name, py::handle object, int64_t channels)
      : values_(optional_arg<T>(op, name, object)) {
    if (!values_) return;
    values_->shaped({channels});
    data_ = values_->contiguous();
  }
  const T* data() const { return data_; }

 private:
  std::optional<ArrayArg<T>> values_;
  const T* data_ = nullptr;
};

template <class T>
int add_linear(Plan<T>& plan, int x, py::handle w_obj, py::handle b_obj, bool of_images, int residual,
               bool relu) {
  ArrayArg<T> w("Plan.linear", "w", w_obj);
  w.shaped({-1, -1}, "(out, in)").non_empty({0, 1});
  const Channels<T> b("Plan.linear", "b", b_obj, w.dim(0));
  return plan.linear(x, w.matrix(), b.data(), of_images, residual, relu);
}

template <class T>
int add_conv2d(Plan<T>& plan, int x, py::handle w_obj, py::handle b_obj, const Pair& stride,
               const Padding& padding, const Pair& dilation, int64_t groups, int residual, bool relu) {
  ArrayArg<T> w("Plan.conv2d", "w", w_obj);
  w.shaped({-1, -1, -1, -1}, "(F, C/groups, KH, KW)").non_empty({0, 1, 2, 3});
  const Channels<T> b("Plan.conv2d", "b", b_obj, w.dim(0));
  const Window2d window = conv_window("Plan.conv2d", {w.dim(2), w.dim(3)}, stride, padding, dilation);
  return plan.conv2d(x, w.view(), b.data(), {window, groups, ConvAlgo::automatic}, residual, relu);
}

template <class T>
int add_batchnorm(Plan<T>& plan, int x, int rank, py::handle gamma_obj, py::handle beta_obj,
                  py::handle mean_obj, py::handle var_obj, double eps, int residual, bool relu) {
  const char* op = "Plan.batchnorm";
  ArrayArg<T> gamma(op, "gamma", gamma_obj);
  gamma.shaped({-1}, "(C,)");
  const int64_t channels = gamma.dim(0);
  const Channels<T> beta(op, "beta", beta_obj, channels);
  const Channels<double> mean(op, "mean", mean_obj, channels), var(op, "var", var_obj, channels);
  return plan.batchnorm(x, rank, channels,
                        {gamma.contiguous(), beta.data(), mean.data(), var.data(), eps, relu, {}}, residual);
}

Activation activation_named(const std::string& name) {
#define FASTNN_X(function, Row) \
  if (name == #function) return Activation::function;
  FASTNN_FOR_EACH_ACTIVATION(FASTNN_X)
#undef FASTNN_X
  fail("Plan.activation", "function: expected one of ops/activation, got ", name);
}

template <class T>
py::array run_plan(const Plan<T>& plan, py::handle x_obj) {
  const ArrayArg<T> x("predict", "X", x_obj);
  x.batched();
  const TensorView<T> result = plan.result(x.view());
  auto y = new_array(result);
  const TensorView<T> out = view_of(y);
  run_kernel([&] { plan.run(x.view(), out); });
  return y;
}

template <class T>
void bind_plan_as(py::module_& m, const char* name) {
  py::class_<Plan<T>>(m, name, "A net in prediction mode, as steps that one call runs.")
      .def(py::init<>())
      .def("linear", &add_linear<T>, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("of_images"),
           py::arg("residual"), py::arg("relu"))
      .def("conv2d", &add_conv2d<T>, py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"),
           py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::arg("residual"), py::arg("relu"))
      .def("batchnorm", &add_batchnorm<T>, py::arg("x"), py::arg("rank"), py::arg("gamma"), py::arg("beta"),
           py::arg("mean"), py::arg("var"), py::arg("eps"), py::arg("residual"), py::arg("relu"))
      .def("relu", &Plan<T>::relu, py::arg("x"))
      .def(
          "activation",
          [](Plan<T>& plan, int x, const std::string& function, double a, double b) {
            return plan.activation(x, {activation_named(function), a, b});
          },
          py::arg("x"), py::arg("function"), py::arg("a") = 0.0, py::arg("b") = 0.0)
      .def(
          "maxpool2d",
          [](Plan<T>& plan, int x, Pair kernel_size, Pair stride, Pair padding, bool ceil_mode) {
            return plan.maxpool2d(x, window_of(kernel_size, stride, padding), ceil_mode);
          },
          py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"))
      .def(
          "avgpool2d",
          [](Plan<T>& plan, int x, Pair kernel_size, Pair stride, Pair padding, bool ceil_mode,
             bool count_include_pad) {
            return plan.avgpool2d(x, window_of(kernel_size, stride, padding), ceil_mode, count_include_pad);
          },
          py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"),
          py::arg("count_include_pad"))
      .def("global_avgpool2d", &Plan<T>::global_avgpool2d, py::arg("x"))
      .def("flatten", &Plan<T>::flatten, py::arg("x"))
      .def("__call__", &run_plan<T>, py::arg("x"));
}

}  // namespace

void bind_plan(py::module_& m) {
  bind_plan_as<float>(m, "PlanFloat32");
  bind_plan_as<double>(m, "PlanFloat64");
}

}  // namespace fastnn::python
