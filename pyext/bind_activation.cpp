#include "array_arg.h"
#include "fastnn/ops/activation/activation.h"
#include "fastnn/ops/maxout/maxout.h"
#include "fastnn/ops/prelu/prelu.h"
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

template <class T>
py::array activation_forward_as(const char* op, const ActivationSpec& spec, py::handle x_obj) {
  const ArrayArg<T> x(op, "x", x_obj);
  x.batched();
  auto y = new_like(x.view());
  const TensorView<T> out = view_of(y);
  run_kernel([&] { activation_forward<T>(spec, x.view(), out); });
  return y;
}

template <class T>
py::array activation_backward_as(const char* op, const ActivationSpec& spec, py::handle dy_obj,
                                 py::handle kept_obj) {
  const ArrayArg<T> kept(op, "kept", kept_obj), dy(op, "dy", dy_obj);
  dy.shaped_like(kept);
  auto dx = new_like(kept.view());
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { activation_backward<T>(spec, dy.view(), kept.view(), out); });
  return dx;
}

// One pair of functions for an activation of the list; a and b are its constants.
void bind_pointwise(py::module_& m, Activation function, const char* forward, const char* backward) {
  def(
      m, forward,
      [=](py::object x, double a, double b) {
        return with_dtype(forward, "x", x, [&](auto zero) {
          return activation_forward_as<decltype(zero)>(forward, {function, a, b}, x);
        });
      },
      py::arg("x"), py::arg("a") = 0.0, py::arg("b") = 0.0);
  def(
      m, backward,
      [=](py::object dy, py::object kept, double a, double b) {
        return with_dtype(backward, "kept", kept, [&](auto zero) {
          return activation_backward_as<decltype(zero)>(backward, {function, a, b}, dy, kept);
        });
      },
      py::arg("dy"), py::arg("kept"), py::arg("a") = 0.0, py::arg("b") = 0.0);
}

// A new array for rows of pixels, its channels last in memory: of x's shape, but with `channels` of them.
template <class T>
py::array_t<T> new_rows(const TensorView<T>& x, int64_t channels) {
  return x.rank == 4 ? new_image<T>(x.shape[0], channels, x.shape[2], x.shape[3])
                     : new_array<T>({x.shape[0], channels});
}

template <class T>
void require_rows(const char* op, const char* where, const ArrayArg<T>& x) {
  check(x.rank() == 2 || x.rank() == 4, op, "x: expected shape (N, ", where, ") or (N, ", where,
        ", H, W), got ", x.shape());
  x.batched();
}

// The slopes of a PReLU: one, or one for each channel of x.
template <class T>
struct Slopes {
  ArrayArg<T> array;
  bool single;

  Slopes(const char* op, py::handle slope_obj, const ArrayArg<T>& x) : array(op, "slope", slope_obj) {
    single = array.rank() == 1 && array.dim(0) == 1;
    if (single) {
      x.batched();
    } else {
      require_rows(op, "C", x);
      array.shaped({x.dim(1)}, "(1,) or (", x.dim(1), ",)");
    }
  }
};

template <class T>
py::array prelu_forward_as(py::handle x_obj, py::handle slope_obj) {
  const char* op = "prelu_forward";
  const ArrayArg<T> x(op, "x", x_obj);
  Slopes<T> slopes(op, slope_obj, x);
  const T* slope = slopes.array.contiguous();
  auto y = slopes.single ? new_like(x.view()) : new_rows(x.view(), x.dim(1));
  const TensorView<T> out = view_of(y);
  run_kernel([&] {
    slopes.single ? prelu_forward<T>(x.view(), *slope, out) : prelu_channels_forward<T>(x.view(), slope, out);
  });
  return y;
}

template <class T>
py::tuple prelu_backward_as(py::handle dy_obj, py::handle x_obj, py::handle slope_obj) {
  const char* op = "prelu_backward";
  const ArrayArg<T> x(op, "x", x_obj), dy(op, "dy", dy_obj);
  dy.shaped_like(x);
  Slopes<T> slopes(op, slope_obj, x);
  const T* slope = slopes.array.contiguous();
  auto dx = slopes.single ? new_like(x.view()) : new_rows(x.view(), x.dim(1));
  auto dslope = new_array<T>({slopes.array.dim(0)});
  T* dslope_data = dslope.mutable_data();
  const TensorView<T> out = view_of(dx);
  run_kernel([&] {
    slopes.single ? prelu_backward<T>(dy.view(), x.view(), *slope, out, dslope_data)
                  : prelu_channels_backward<T>(dy.view(), x.view(), slope, out, dslope_data);
  });
  return py::make_tuple(dx, dslope);
}

template <class T>
py::array maxout_forward_as(py::handle x_obj, int64_t pieces) {
  const char* op = "maxout_forward";
  const ArrayArg<T> x(op, "x", x_obj);
  require_rows(op, "pieces*C", x);
  check(pieces > 0 && x.dim(1) % pieces == 0, op, "pieces: expected a divisor of the ", x.dim(1),
        " channels of x, got ", pieces);
  auto y = new_rows(x.view(), x.dim(1) / pieces);
  const TensorView<T> out = view_of(y);
  run_kernel([&] { maxout_forward<T>(x.view(), out); });
  return y;
}

template <class T>
py::array maxout_backward_as(py::handle dy_obj, py::handle x_obj, int64_t pieces) {
  const char* op = "maxout_backward";
  const ArrayArg<T> x(op, "x", x_obj), dy(op, "dy", dy_obj);
  require_rows(op, "pieces*C", x);
  check(pieces > 0, op, "pieces: expected a positive integer, got ", pieces);
  const int64_t channels = x.dim(1) / pieces;
  if (x.rank() == 4) {
    dy.shaped({x.dim(0), channels, x.dim(2), x.dim(3)}, "of y");
  } else {
    dy.shaped({x.dim(0), channels}, "of y");
  }
  auto dx = new_rows(x.view(), x.dim(1));
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { maxout_backward<T>(dy.view(), x.view(), out); });
  return dx;
}

}  // namespace

void bind_activation(py::module_& m) {
  def(
      m, "relu_forward",
      [](py::object x) {
        return with_dtype("relu_forward", "x", x,
                          [&](auto zero) { return relu_forward_as<decltype(zero)>(x); });
      },
      py::arg("x"));
  def(
      m, "relu_backward",
      [](py::object dy, py::object x) {
        return with_dtype("relu_backward", "x", x,
                          [&](auto zero) { return relu_backward_as<decltype(zero)>(dy, x); });
      },
      py::arg("dy"), py::arg("x"));
  def(
      m, "prelu_forward",
      [](py::object x, py::object slope) {
        return with_dtype("prelu_forward", "x", x,
                          [&](auto zero) { return prelu_forward_as<decltype(zero)>(x, slope); });
      },
      py::arg("x"), py::arg("slope"));
  def(
      m, "prelu_backward",
      [](py::object dy, py::object x, py::object slope) {
        return with_dtype("prelu_backward", "x", x,
                          [&](auto zero) { return prelu_backward_as<decltype(zero)>(dy, x, slope); });
      },
      py::arg("dy"), py::arg("x"), py::arg("slope"));
  def(
      m, "maxout_forward",
      [](py::object x, int64_t pieces) {
        return with_dtype("maxout_forward", "x", x,
                          [&](auto zero) { return maxout_forward_as<decltype(zero)>(x, pieces); });
      },
      py::arg("x"), py::arg("pieces"));
  def(
      m, "maxout_backward",
      [](py::object dy, py::object x, int64_t pieces) {
        return with_dtype("maxout_backward", "x", x,
                          [&](auto zero) { return maxout_backward_as<decltype(zero)>(dy, x, pieces); });
      },
      py::arg("dy"), py::arg("x"), py::arg("pieces"));
#define FASTNN_X(name, Row) bind_pointwise(m, Activation::name, #name "_forward", #name "_backward");
  FASTNN_FOR_EACH_ACTIVATION(FASTNN_X)
#undef FASTNN_X
}

}  // namespace fastnn::python
