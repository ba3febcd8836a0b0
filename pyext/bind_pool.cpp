#include "array_arg.h"
#include "fastnn/ops/avgpool2d/avgpool2d.h"
#include "fastnn/ops/maxpool2d/maxpool2d.h"

namespace fastnn::python {
namespace {

using IntPair = std::pair<int64_t, int64_t>;

// Kernel, stride and padding, checked against the images they slide over.
Window2d window_over(const char* op, const int64_t* x_shape, IntPair kernel, IntPair stride,
                     IntPair padding) {
  const auto text = [](const IntPair& p) { return SizesText{p.first, p.second}; };
  check(std::min(kernel.first, kernel.second) >= 1, op, "kernel_size: expected integers >= 1, got ",
        text(kernel));
  check(std::min(stride.first, stride.second) >= 1, op, "stride: expected integers >= 1, got ", text(stride));
  // A wider margin would make windows that see no pixel at all.
  const IntPair half{kernel.first / 2, kernel.second / 2};
  check(std::min(padding.first, padding.second) >= 0 && padding.first <= half.first &&
            padding.second <= half.second,
        op, "padding: expected 0 to half the kernel, ", text(half), ", got ", text(padding));
  const IntPair padded{x_shape[2] + 2 * padding.first, x_shape[3] + 2 * padding.second};
  check(kernel.first <= padded.first && kernel.second <= padded.second, op,
        "kernel_size: expected at most the padded input, ", text(padded), ", got ", text(kernel));
  return {{kernel.first, stride.first, padding.first, 1}, {kernel.second, stride.second, padding.second, 1}};
}

template <class T>
ArrayArg<T> images_arg(const char* op, const char* name, py::handle object) {
  ArrayArg<T> x(op, name, object);
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").batched();
  return x;
}

// The gradient, checked against the shape that forward gave.
template <class T>
ArrayArg<T> gradient_arg(const char* op, py::handle object, const std::array<int64_t, 4>& x_shape,
                         const Window2d& window) {
  ArrayArg<T> dy(op, "dy", object);
  const int64_t oh = window.h.outputs(x_shape[2]), ow = window.w.outputs(x_shape[3]);
  dy.shaped({x_shape[0], x_shape[1], oh, ow});
  return dy;
}

template <class T>
py::array_t<T> new_output(const ArrayArg<T>& x, const Window2d& window) {
  return new_image<T>(x.dim(0), x.dim(1), window.h.outputs(x.dim(2)), window.w.outputs(x.dim(3)));
}

template <class T>
py::tuple maxpool2d_forward_as(py::handle x_obj, IntPair kernel, IntPair stride, IntPair padding) {
  const char* op = "maxpool2d_forward";
  const auto x = images_arg<T>(op, "x", x_obj);
  const Window2d window = window_over(op, x.view().shape, kernel, stride, padding);
  auto y = new_output(x, window);
  const TensorView<T> out = view_of(y);
  py::array winner;
  Winners<T> winners{nullptr, nullptr};
  if (Winners<T>::fit_bytes(window)) {
    auto bytes = new_image<uint8_t>(out.shape[0], out.shape[1], out.shape[2], out.shape[3]);
    winners.bytes = bytes.mutable_data();
    winner = bytes;
  } else {
    auto wide = new_image<T>(out.shape[0], out.shape[1], out.shape[2], out.shape[3]);
    winners.wide = wide.mutable_data();
    winner = wide;
  }
  run_kernel([&] { maxpool2d_forward<T>(x.view(), window, out, winners); });
  return py::make_tuple(y, winner);
}

// `winner` comes from the forward call with the same arguments.
template <class T>
py::array maxpool2d_backward_as(py::handle dy_obj, const py::array& winner,
                                const std::array<int64_t, 4>& x_shape, IntPair kernel, IntPair stride,
                                IntPair padding) {
  const char* op = "maxpool2d_backward";
  const Window2d window = window_over(op, x_shape.data(), kernel, stride, padding);
  const auto dy = gradient_arg<T>(op, dy_obj, x_shape, window);
  const bool bytes = Winners<T>::fit_bytes(window);
  check(winner.itemsize() == (bytes ? 1 : static_cast<py::ssize_t>(sizeof(T))) &&
            winner.size() == dy.view().size(),
        op, "cache: expected the winners of the forward call, got shape ", ShapeText{winner});
  void* data = const_cast<void*>(winner.data());
  const Winners<T> winners{bytes ? static_cast<uint8_t*>(data) : nullptr,
                           bytes ? nullptr : static_cast<T*>(data)};
  auto dx = new_image<T>(x_shape[0], x_shape[1], x_shape[2], x_shape[3]);
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { maxpool2d_backward<T>(dy.view(), winners, window, out); });
  return dx;
}

template <class T>
py::array avgpool2d_forward_as(const char* op, py::handle x_obj, std::optional<IntPair> kernel,
                               IntPair stride, IntPair padding, bool count_include_pad) {
  const auto x = images_arg<T>(op, "x", x_obj);
  const Window2d window =
      window_over(op, x.view().shape, kernel.value_or(IntPair{x.dim(2), x.dim(3)}), stride, padding);
  auto y = new_output(x, window);
  const TensorView<T> out = view_of(y);
  run_kernel([&] { avgpool2d_forward<T>(x.view(), window, count_include_pad, out); });
  return y;
}

template <class T>
py::array avgpool2d_backward_as(const char* op, py::handle dy_obj, const std::array<int64_t, 4>& x_shape,
                                std::optional<IntPair> kernel, IntPair stride, IntPair padding,
                                bool count_include_pad) {
  const Window2d window =
      window_over(op, x_shape.data(), kernel.value_or(IntPair{x_shape[2], x_shape[3]}), stride, padding);
  const auto dy = gradient_arg<T>(op, dy_obj, x_shape, window);
  auto dx = new_image<T>(x_shape[0], x_shape[1], x_shape[2], x_shape[3]);
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { avgpool2d_backward<T>(dy.view(), window, count_include_pad, out); });
  return dx;
}

}  // namespace

void bind_pool(py::module_& m) {
  using Shape = std::array<int64_t, 4>;
  m.def(
      "maxpool2d_forward",
      [](py::object x, IntPair kernel, IntPair stride, IntPair padding) {
        return with_dtype("maxpool2d_forward", "x", x, [&](auto zero) {
          return maxpool2d_forward_as<decltype(zero)>(x, kernel, stride, padding);
        });
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"));
  m.def(
      "maxpool2d_backward",
      [](py::object dy, py::array winner, Shape x_shape, IntPair kernel, IntPair stride, IntPair padding) {
        return with_dtype("maxpool2d_backward", "dy", dy, [&](auto zero) {
          return maxpool2d_backward_as<decltype(zero)>(dy, winner, x_shape, kernel, stride, padding);
        });
      },
      py::arg("dy"), py::arg("winner"), py::arg("x_shape"), py::arg("kernel"), py::arg("stride"),
      py::arg("padding"));
  m.def(
      "avgpool2d_forward",
      [](py::object x, IntPair kernel, IntPair stride, IntPair padding, bool count_include_pad) {
        const char* op = "avgpool2d_forward";
        return with_dtype(op, "x", x, [&](auto zero) {
          return avgpool2d_forward_as<decltype(zero)>(op, x, kernel, stride, padding, count_include_pad);
        });
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"), py::arg("count_include_pad"));
  m.def(
      "avgpool2d_backward",
      [](py::object dy, Shape x_shape, IntPair kernel, IntPair stride, IntPair padding,
         bool count_include_pad) {
        const char* op = "avgpool2d_backward";
        return with_dtype(op, "dy", dy, [&](auto zero) {
          return avgpool2d_backward_as<decltype(zero)>(op, dy, x_shape, kernel, stride, padding,
                                                       count_include_pad);
        });
      },
      py::arg("dy"), py::arg("x_shape"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
      py::arg("count_include_pad"));
  // One window, as large as the image.
  m.def(
      "global_avgpool2d_forward",
      [](py::object x) {
        const char* op = "global_avgpool2d_forward";
        return with_dtype(op, "x", x, [&](auto zero) {
          return avgpool2d_forward_as<decltype(zero)>(op, x, std::nullopt, {1, 1}, {0, 0}, true);
        });
      },
      py::arg("x"));
  m.def(
      "global_avgpool2d_backward",
      [](py::object dy, Shape x_shape) {
        const char* op = "global_avgpool2d_backward";
        return with_dtype(op, "dy", dy, [&](auto zero) {
          return avgpool2d_backward_as<decltype(zero)>(op, dy, x_shape, std::nullopt, {1, 1}, {0, 0}, true);
        });
      },
      py::arg("dy"), py::arg("x_shape"));
}

}  // namespace fastnn::python
