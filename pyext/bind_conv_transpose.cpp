#include "conv_arg.h"
#include "fastnn/ops/conv_transpose2d/conv_transpose2d.h"

namespace fastnn::python {
namespace {

// How a call is laid out: settings are those of the convolution whose transpose it is, from y to x.
struct Geometry {
  Conv2dSettings settings;
  int64_t filters, height, width;  // of y
};

template <class T>
Geometry geometry_of(const char* op, const ArrayArg<T>& x, const ArrayArg<T>& w, const Pair& stride,
                     const Pair& padding, const Pair& extra, const Pair& dilation, int64_t groups,
                     const std::string& algo) {
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").non_empty({1, 2, 3});
  const int64_t c = x.dim(1);
  check(groups >= 1 && c % groups == 0, op, "groups: expected a divisor of C=", c, ", got ", groups);
  w.shaped({c, -1, -1, -1}, "(", c, ", F/groups, KH, KW) for C=", c).non_empty({1, 2, 3});
  const Window2d window = conv_window(op, {w.dim(2), w.dim(3)}, stride, padding, dilation);
  // More would leave room for another place of the kernel.
  check(
      std::min(extra.first, extra.second) >= 0 && extra.first < stride.first && extra.second < stride.second,
      op, "output_padding: expected 0 to less than the stride, ", pair_text(stride), ", got ",
      pair_text(extra));
  const auto size = [](const WindowAxis& a, int64_t in, int64_t more) {
    return (in - 1) * a.stride - 2 * a.padding + a.extent() + more;
  };
  const int64_t height = size(window.h, x.dim(2), extra.first);
  const int64_t width = size(window.w, x.dim(3), extra.second);
  check(height >= 1 && width >= 1, op, "padding: expected so little that y has pixels, got ",
        pair_text(padding), ", which makes it ", height, " x ", width);
  const Conv2dSettings settings{window, groups, algo_from(op, algo)};
  check_winograd(op, settings);
  return {settings, w.dim(1) * groups, height, width};
}

template <class T>
py::array forward_as(py::handle x_obj, py::handle w_obj, py::handle b_obj, const Pair& stride,
                     const Pair& padding, const Pair& output_padding, const Pair& dilation, int64_t groups,
                     const std::string& algo) {
  const char* op = "conv_transpose2d_forward";
  const ArrayArg<T> x(op, "x", x_obj), w(op, "w", w_obj);
  auto b = optional_arg<T>(op, "b", b_obj);
  const Geometry g = geometry_of(op, x, w, stride, padding, output_padding, dilation, groups, algo);
  if (b) b->shaped({g.filters});
  const T* bias = b ? b->contiguous() : nullptr;
  auto y = new_image<T>(x.dim(0), g.filters, g.height, g.width);
  const TensorView<T> result = image_view(y.mutable_data(), x.dim(0), g.filters, g.height, g.width);
  run_kernel([&] { conv_transpose2d_forward<T>(x.view(), w.view(), bias, result, g.settings); });
  return y;
}

template <class T>
py::tuple backward_as(py::handle dy_obj, py::handle x_obj, py::handle w_obj, const Pair& stride,
                      const Pair& padding, const Pair& output_padding, const Pair& dilation, int64_t groups,
                      const std::string& algo, bool has_bias, bool need_dx, bool need_dw, py::handle dw_obj,
                      py::handle db_obj) {
  const char* op = "conv_transpose2d_backward";
  const ArrayArg<T> dy(op, "dy", dy_obj), x(op, "x", x_obj), w(op, "w", w_obj);
  const Geometry g = geometry_of(op, x, w, stride, padding, output_padding, dilation, groups, algo);
  const int64_t n = x.dim(0), c = x.dim(1), height = x.dim(2), width = x.dim(3);
  dy.shaped({n, g.filters, g.height, g.width});
  std::optional<Result<T>> dw, db;
  if (need_dw) dw.emplace(op, "dw", dw_obj, std::initializer_list<int64_t>{c, w.dim(1), w.dim(2), w.dim(3)});
  if (need_dw && has_bias) db.emplace(op, "db", db_obj, std::initializer_list<int64_t>{g.filters});
  py::object dx = py::none();
  TensorView<T> dx_view;
  if (need_dx) {
    auto array = new_image<T>(n, c, height, width);
    dx_view = image_view(array.mutable_data(), n, c, height, width);
    dx = array;
  }
  run_kernel([&] {
    conv_transpose2d_backward<T>(dy.view(), x.view(), w.view(), dx_view, dw ? dw->view() : TensorView<T>{},
                                 db ? db->data() : nullptr, g.settings);
  });
  return py::make_tuple(dx, array_or_none(dw), array_or_none(db));
}

}  // namespace

void bind_conv_transpose(py::module_& m) {
  def(
      m, "conv_transpose2d_forward",
      [](py::object x, py::object w, py::object b, Pair stride, Pair padding, Pair output_padding,
         Pair dilation, int64_t groups, const std::string& algo) {
        return with_dtype("conv_transpose2d_forward", "x", x, [&](auto zero) {
          return forward_as<decltype(zero)>(x, w, b, stride, padding, output_padding, dilation, groups, algo);
        });
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("stride"), py::arg("padding"),
      py::arg("output_padding"), py::arg("dilation"), py::arg("groups"), py::arg("algo"));
  def(
      m, "conv_transpose2d_backward",
      [](py::object dy, py::object x, py::object w, Pair stride, Pair padding, Pair output_padding,
         Pair dilation, int64_t groups, const std::string& algo, bool has_bias, bool need_dx, bool need_dw,
         py::object dw, py::object db) {
        return with_dtype("conv_transpose2d_backward", "dy", dy, [&](auto zero) {
          return backward_as<decltype(zero)>(dy, x, w, stride, padding, output_padding, dilation, groups,
                                             algo, has_bias, need_dx, need_dw, dw, db);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("stride"), py::arg("padding"),
      py::arg("output_padding"), py::arg("dilation"), py::arg("groups"), py::arg("algo"), py::arg("has_bias"),
      py::arg("need_dx"), py::arg("need_dw"), py::arg("dw") = py::none(), py::arg("db") = py::none());
}

}  // namespace fastnn::python
