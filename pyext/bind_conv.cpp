#include <algorithm>

#include "array_arg.h"
#include "column_statistics.h"
#include "fastnn/ops/conv2d/conv2d.h"
#include "fastnn/ops/im2col/im2col.h"

namespace fastnn::python {
namespace {

using Pair = std::pair<int64_t, int64_t>;

void check_range(const char* op, const char* name, const Pair& p, int64_t least) {
  constexpr int64_t kMost = 1 << 30;  // sums of a few of them stay within 63 bits
  check(std::min(p.first, p.second) >= least && std::max(p.first, p.second) <= kMost, op, name,
        ": expected integers from ", least, " to 2^30, got ", SizesText{p.first, p.second});
}

void check_steps(const char* op, const Pair& stride, const Pair& padding, const Pair& dilation) {
  check_range(op, "stride", stride, 1);
  check_range(op, "padding", padding, 0);
  check_range(op, "dilation", dilation, 1);
}

// A window that fits on images of h x w pixels; its steps are checked already.
Window2d make_window(const char* op, int64_t h, int64_t w, const Pair& kernel, const Pair& stride,
                     const Pair& padding, const Pair& dilation) {
  check_range(op, "kernel_size", kernel, 1);
  const Window2d window{{kernel.first, stride.first, padding.first, dilation.first},
                        {kernel.second, stride.second, padding.second, dilation.second}};
  check(window.h.extent() <= h + 2 * padding.first && window.w.extent() <= w + 2 * padding.second, op,
        "kernel_size: expected an extent of at most the padded input, ",
        SizesText{h + 2 * padding.first, w + 2 * padding.second}, ", got ",
        SizesText{window.h.extent(), window.w.extent()});
  return window;
}

ConvAlgo algo_from(const char* op, const std::string& name) {
  if (name == "auto") return ConvAlgo::automatic;
  if (name == "direct") return ConvAlgo::direct;
  if (name == "im2col") return ConvAlgo::im2col;
  if (name == "winograd") return ConvAlgo::winograd;
  fail(op, "algo: expected \"auto\", \"direct\", \"winograd\" or \"im2col\", got '", name, "'");
}

// What a convolution is told beside its arrays. Python makes it once and hands it to every call.
struct ConvOptions {
  Pair stride, padding, dilation;
  int64_t groups;
  std::string algo_name;
  ConvAlgo algo;

  ConvOptions(const Pair& stride, const Pair& padding, const Pair& dilation, int64_t groups,
              const std::string& algo_name)
      : stride(stride), padding(padding), dilation(dilation), groups(groups), algo_name(algo_name) {
    const char* op = "conv2d_forward";
    check_steps(op, stride, padding, dilation);
    algo = algo_from(op, algo_name);
  }
};

// Checks x and w against each other and the options.
template <class T>
Conv2dSettings make_settings(const char* op, const ArrayArg<T>& x, const ArrayArg<T>& w,
                             const ConvOptions& options) {
  const int64_t groups = options.groups;
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").non_empty({1, 2, 3});
  const int64_t c = x.dim(1);
  check(groups >= 1 && c % groups == 0, op, "groups: expected a divisor of C=", c, ", got ", groups);
  if (groups == 1) {
    w.shaped({-1, c, -1, -1}, "(F, ", c, ", KH, KW) for C=", c);
  } else {
    w.shaped({-1, c / groups, -1, -1}, "(F, ", c / groups, ", KH, KW) for C=", c, ", groups=", groups);
  }
  w.non_empty({0, 2, 3});
  check(w.dim(0) % groups == 0, op, "groups: expected a divisor of F=", w.dim(0), ", got ", groups);
  const Window2d window = make_window(op, x.dim(2), x.dim(3), {w.dim(2), w.dim(3)}, options.stride,
                                      options.padding, options.dilation);
  const Conv2dSettings settings{window, groups, options.algo};
  check(settings.algo != ConvAlgo::winograd || winograd_applies(settings), op,
        "algo: expected 3x3 filters, stride 1, dilation 1, padding at most 2 and one group for \"winograd\", "
        "got another "
        "geometry");
  return settings;
}

const char* algo_name(ConvAlgo algo) {
  switch (algo) {
    case ConvAlgo::automatic:
      return "auto";
    case ConvAlgo::direct:
      return "direct";
    case ConvAlgo::im2col:
      return "im2col";
    case ConvAlgo::winograd:
      return "winograd";
  }
  return "";
}

// What a convolution of these shapes runs as.
template <class T>
ConvAlgo chosen(const std::array<int64_t, 4>& x, const std::array<int64_t, 4>& w,
                const ConvOptions& options) {
  const Window2d window =
      make_window("conv_algo", x[2], x[3], {w[2], w[3]}, options.stride, options.padding, options.dilation);
  const int64_t x_shape[kMaxRank] = {x[0], x[1], x[2], x[3]};
  const bool open = options.algo == ConvAlgo::automatic;
  return open ? conv2d_choose<T>(x_shape, w[0], {window, options.groups, options.algo}) : options.algo;
}

template <class T>
py::tuple conv2d_forward_as(py::handle x_obj, py::handle w_obj, py::handle b_obj, const ConvOptions& options,
                            bool stats, bool relu) {
  const char* op = "conv2d_forward";
  ArrayArg<T> x(op, "x", x_obj), w(op, "w", w_obj);
  auto b = optional_arg<T>(op, "b", b_obj);
  const Conv2dSettings settings = make_settings(op, x, w, options);
  const int64_t n = x.dim(0), f = w.dim(0);
  const int64_t oh = settings.window.h.outputs(x.dim(2)), ow = settings.window.w.outputs(x.dim(3));
  Epilogue<T> epilogue;
  epilogue.relu = relu;
  if (b) {
    b->shaped({f});
    epilogue.bias = b->contiguous();
  }
  auto y = new_image<T>(n, f, oh, ow);
  const TensorView<T> result = image_view(y.mutable_data(), n, f, oh, ow);
  if (!stats) {
    run_kernel([&] { conv2d_forward<T>(x.view(), w.view(), result, settings, {}, epilogue); });
    return py::make_tuple(y, py::none());
  }
  check(n > 0, op, "x: expected at least one image to take statistics of, got shape ", x.shape());
  ColumnStatistics statistics(f);
  statistics.give_to(epilogue);
  run_kernel([&] { conv2d_forward<T>(x.view(), w.view(), result, settings, {}, epilogue); });
  return py::make_tuple(y, statistics.of(n * oh * ow));
}

template <class T>
py::tuple conv2d_backward_as(py::handle dy_obj, py::handle x_obj, py::handle w_obj,
                             const ConvOptions& options, bool has_bias, bool need_dx, bool need_dw,
                             py::handle dw_obj, py::handle db_obj, py::handle residual_obj) {
  const char* op = "conv2d_backward";
  ArrayArg<T> dy(op, "dy", dy_obj), x(op, "x", x_obj), w(op, "w", w_obj);
  const Conv2dSettings settings = make_settings(op, x, w, options);
  const int64_t n = x.dim(0), c = x.dim(1), height = x.dim(2), width = x.dim(3), f = w.dim(0);
  const int64_t oh = settings.window.h.outputs(height), ow = settings.window.w.outputs(width);
  dy.shaped({n, f, oh, ow});
  const auto residual = optional_arg<T>(op, "dx_residual", residual_obj);
  if (residual) residual->shaped_like(x);
  std::optional<Result<T>> dw, db;
  if (need_dw) dw.emplace(op, "dw", dw_obj, std::initializer_list<int64_t>{f, w.dim(1), w.dim(2), w.dim(3)});
  if (need_dw && has_bias) db.emplace(op, "db", db_obj, std::initializer_list<int64_t>{f});
  py::object dx = py::none();
  TensorView<T> dx_view;
  if (need_dx) {
    auto array = new_image<T>(n, c, height, width);
    dx_view = image_view(array.mutable_data(), n, c, height, width);
    dx = array;
  }
  run_kernel([&] {
    conv2d_backward<T>(dy.view(), x.view(), w.view(), dx_view, dw ? dw->view() : TensorView<T>{},
                       db ? db->data() : nullptr, settings, residual ? residual->view() : TensorView<T>{});
  });
  return py::make_tuple(dx, array_or_none(dw), array_or_none(db));
}

template <class T>
py::array im2col_as(py::handle x_obj, const Pair& kernel, const Pair& stride, const Pair& padding,
                    const Pair& dilation) {
  const char* op = "im2col";
  ArrayArg<T> x(op, "x", x_obj);
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").non_empty({1, 2, 3});
  check_steps(op, stride, padding, dilation);
  const Window2d window = make_window(op, x.dim(2), x.dim(3), kernel, stride, padding, dilation);
  const int64_t depth = checked_mul(x.dim(1), kernel.first * kernel.second);
  const int64_t places = window.h.outputs(x.dim(2)) * window.w.outputs(x.dim(3));
  auto cols = new_array<T>({x.dim(0), depth, places});
  const TensorView<T> view{
      cols.mutable_data(), 3, {x.dim(0), depth, places, 0}, {depth * places, places, 1, 0}};
  run_kernel([&] { im2col<T>(x.view(), window, view); });
  return cols;
}

template <class T>
py::array col2im_as(py::handle cols_obj, const std::vector<int64_t>& shape, const Pair& kernel,
                    const Pair& stride, const Pair& padding, const Pair& dilation) {
  const char* op = "col2im";
  ArrayArg<T> cols(op, "cols", cols_obj);
  check(shape.size() == 4 && shape[0] >= 0 && *std::min_element(shape.begin() + 1, shape.end()) > 0, op,
        "x_shape: expected (N, C, H, W), got something else");
  check_steps(op, stride, padding, dilation);
  const Window2d window = make_window(op, shape[2], shape[3], kernel, stride, padding, dilation);
  const int64_t depth = checked_mul(shape[1], kernel.first * kernel.second);
  const int64_t places = checked_mul(window.h.outputs(shape[2]), window.w.outputs(shape[3]));
  cols.shaped({shape[0], depth, places});
  auto x = new_image<T>(shape[0], shape[1], shape[2], shape[3]);
  const TensorView<T> view = image_view(x.mutable_data(), shape[0], shape[1], shape[2], shape[3]);
  run_kernel([&] { col2im<T>(cols.view(), window, view); });
  return x;
}

}  // namespace

void bind_conv(py::module_& m) {
  py::class_<ConvOptions>(m, "ConvOptions", "Stride, padding, dilation, groups and algorithm, checked.")
      .def(py::init<Pair, Pair, Pair, int64_t, std::string>(), py::arg("stride"), py::arg("padding"),
           py::arg("dilation"), py::arg("groups"), py::arg("algo"))
      .def_readonly("algo", &ConvOptions::algo_name);
  m.def(
      "conv_algo",
      [](std::array<int64_t, 4> x_shape, std::array<int64_t, 4> w_shape, const ConvOptions& options,
         bool wide) {
        return algo_name(wide ? chosen<double>(x_shape, w_shape, options)
                              : chosen<float>(x_shape, w_shape, options));
      },
      py::arg("x_shape"), py::arg("w_shape"), py::arg("options"), py::arg("wide"));
  m.def(
      "conv2d_forward",
      [](py::object x, py::object w, py::object b, const ConvOptions& options, bool stats, bool relu) {
        return with_dtype("conv2d_forward", "x", x, [&](auto zero) {
          return conv2d_forward_as<decltype(zero)>(x, w, b, options, stats, relu);
        });
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("options"), py::arg("stats") = false,
      py::arg("relu") = false);
  m.def(
      "conv2d_backward",
      [](py::object dy, py::object x, py::object w, const ConvOptions& options, bool has_bias, bool need_dx,
         bool need_dw, py::object dw, py::object db, py::object dx_residual) {
        return with_dtype("conv2d_backward", "dy", dy, [&](auto zero) {
          return conv2d_backward_as<decltype(zero)>(dy, x, w, options, has_bias, need_dx, need_dw, dw, db,
                                                    dx_residual);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("options"), py::arg("has_bias"), py::arg("need_dx"),
      py::arg("need_dw"), py::arg("dw") = py::none(), py::arg("db") = py::none(),
      py::arg("dx_residual") = py::none());
  m.def(
      "im2col",
      [](py::object x, Pair kernel_size, Pair stride, Pair padding, Pair dilation) {
        return with_dtype("im2col", "x", x, [&](auto zero) {
          return im2col_as<decltype(zero)>(x, kernel_size, stride, padding, dilation);
        });
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("dilation"));
  m.def(
      "col2im",
      [](py::object cols, const std::vector<int64_t>& x_shape, Pair kernel_size, Pair stride, Pair padding,
         Pair dilation) {
        return with_dtype("col2im", "cols", cols, [&](auto zero) {
          return col2im_as<decltype(zero)>(cols, x_shape, kernel_size, stride, padding, dilation);
        });
      },
      py::arg("cols"), py::arg("x_shape"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"));
}

}  // namespace fastnn::python
