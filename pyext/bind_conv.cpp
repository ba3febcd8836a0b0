#include <algorithm>

#include "array_arg.h"
#include "column_statistics.h"
#include "conv_arg.h"
#include "fastnn/ops/im2col/im2col.h"
#include "new_rows.h"

namespace fastnn::python {
namespace {

// What conv1d and conv2d differ in: an image of conv1d has one row, and no axis for it.
struct Conv {
  const char* op;
  bool has_rows;

  // An argument with an axis for rows; `where` explains the shape that it has without.
  template <class T>
  ArrayArg<T> arg(const char* name, py::handle object, const char* where) const {
    ArrayArg<T> array(op, name, object);
    if (!has_rows) {
      array.shaped({-1, -1, -1}, where);
      array.insert_axis(2);
    }
    return array;
  }

  template <class T>
  Conv2dSettings settings(const ArrayArg<T>& x, const ArrayArg<T>& w, const ConvOptions& options) const {
    return make_settings(op, x, w, options, has_rows ? "KH, KW" : "K");
  }
};
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

// A batch norm beside a convolution, as a tuple: the norm's x, gamma, beta, statistics, eps, whether ReLU
// follows, residual or None.
template <class T>
class NormArg {
 public:
  NormArg(const char* op, const ArrayArg<T>& y, const py::tuple& norm)
      : x_(op, "norm_x", norm[0]),
        gamma_(op, "norm_gamma", norm[1]),
        beta_(op, "norm_beta", norm[2]),
        statistics_(op, "norm_statistics", norm[3]),
        eps_(norm[4].cast<double>()),
        relu_(norm[5].cast<bool>()),
        residual_(optional_arg<T>(op, "norm_residual", norm[6])) {
    x_.shaped_like(y);
    gamma_.shaped({y.dim(1)});
    beta_.shaped({y.dim(1)});
    statistics_.shaped({2, y.dim(1)}, "(2, C)");
    if (residual_) residual_->shaped_like(y);
  }

  TensorView<const T> x() const { return x_.view(); }
  BatchNorm<T> norm() {
    const double* mean = statistics_.contiguous();
    return {gamma_.contiguous(),
            beta_.contiguous(),
            mean,
            mean + x_.dim(1),
            eps_,
            relu_,
            residual_ ? residual_->view() : TensorView<const T>{}};
  }

 private:
  ArrayArg<T> x_, gamma_, beta_;
  ArrayArg<double> statistics_;
  double eps_;
  bool relu_;
  std::optional<ArrayArg<T>> residual_;
};

// A norm that the convolution applies to x, its input, while it reads it; or none.
template <class T>
class InputNorm {
 public:
  InputNorm(const char* op, const ArrayArg<T>& x, const ArrayArg<T>& w, const Conv2dSettings& settings,
            const std::optional<py::tuple>& norm) {
    if (!norm) return;
    check(conv2d_takes_input_norm<T>(x.view(), w.view(), settings), op,
          "input_norm: expected a convolution that takes one, got x of shape ", x.shape());
    arg_.emplace(op, x, *norm);
    norm_ = arg_->norm();
  }
  const BatchNorm<T>* get() const { return arg_ ? &norm_ : nullptr; }

 private:
  std::optional<NormArg<T>> arg_;
  BatchNorm<T> norm_{};
};

template <class T>
py::tuple forward_as(const Conv& conv, py::handle x_obj, py::handle w_obj, py::handle b_obj,
                     const ConvOptions& options, bool stats, bool relu,
                     const std::optional<py::tuple>& input_norm_obj) {
  const char* op = conv.op;
  const auto x = conv.arg<T>("x", x_obj, "(N, C, L)"), w = conv.arg<T>("w", w_obj, "(F, C/groups, K)");
  auto b = optional_arg<T>(op, "b", b_obj);
  const Conv2dSettings settings = conv.settings(x, w, options);
  const int64_t n = x.dim(0), f = w.dim(0);
  const int64_t oh = settings.window.h.outputs(x.dim(2)), ow = settings.window.w.outputs(x.dim(3));
  Epilogue<T> epilogue;
  epilogue.relu = relu;
  if (b) {
    b->shaped({f});
    epilogue.bias = b->contiguous();
  }
  InputNorm<T> input_norm(op, x, w, settings, input_norm_obj);
  auto y = new_image<T>(n, f, oh, ow);
  const TensorView<T> result = image_view(y.mutable_data(), n, f, oh, ow);
  const auto run = [&] {
    run_kernel([&] {
      conv2d_forward<T>(x.view(), w.view(), result, settings, {}, epilogue, nullptr, input_norm.get());
    });
  };
  if (!stats) {
    run();
    return py::make_tuple(y, py::none());
  }
  check(n > 0, op, "x: expected at least one image to take statistics of, got shape ", x.shape());
  ColumnStatistics statistics(f);
  statistics.give_to(epilogue);
  run();
  return py::make_tuple(y, statistics.of(n * oh * ow));
}

// The norm whose output the convolution's x was.
template <class T>
class NormBefore {
 public:
  NormBefore(const char* op, const ArrayArg<T>& x, const py::tuple& norm)
      : norm_(op, x, norm), sums_(new_array<double>({2, x.dim(1)})) {}

  NormReduction<T> reduction() {
    return {norm_.x(), norm_.norm(), sums_.mutable_data(), sums_.mutable_data() + sums_.shape(1)};
  }
  const py::array& sums() const { return sums_; }

 private:
  NormArg<T> norm_;
  py::array_t<double> sums_;
};

// The norm that took the convolution's y: the tuple goes on with whether it was in training, sums, and where
// to write dgamma and dbeta.
template <class T>
class NormBehind {
 public:
  NormBehind(const char* op, const ArrayArg<T>& dy, const py::tuple& norm)
      : norm_(op, dy, norm),
        training_(norm[7].cast<bool>()),
        sums_(op, "norm_sums", norm[8]),
        dgamma_(op, "dgamma", norm[9], {dy.dim(1)}),
        dbeta_(op, "dbeta", norm[10], {dy.dim(1)}) {
    sums_.shaped({2, dy.dim(1)}, "(2, C)");
  }

  NormBackward<T> backward() {
    return {norm_.x(), norm_.norm(), training_, sums_.contiguous(), dgamma_.data(), dbeta_.data()};
  }

  // The norm's dx, written over dy where that is possible.
  ArrayArg<T> apart(const char* op, const ArrayArg<T>& dy) {
    const NormBackward<T> norm = backward();
    py::object dx = dy.array();
    TensorView<T> view = dy.view();
    if (!is_new_rows(dy)) std::tie(dx, view) = new_rows<T>(dy);
    run_kernel([&] {
      batchnorm_backward<T>(dy.view(), norm.x, norm.norm, norm.training, norm.sums, view, {}, norm.dgamma,
                            norm.dbeta);
    });
    return {op, "dy", dx};
  }

 private:
  NormArg<T> norm_;
  bool training_;
  ArrayArg<double> sums_;
  Result<T> dgamma_, dbeta_;
};

template <class T>
py::tuple backward_as(const Conv& conv, py::handle dy_obj, py::handle x_obj, py::handle w_obj,
                      const ConvOptions& options, bool has_bias, bool need_dx, bool need_dw,
                      py::handle dw_obj, py::handle db_obj, py::handle residual_obj,
                      const std::optional<py::tuple>& before_obj, const std::optional<py::tuple>& behind_obj,
                      const std::optional<py::tuple>& input_norm_obj) {
  const char* op = conv.op;
  const auto x = conv.arg<T>("x", x_obj, "(N, C, L)"), w = conv.arg<T>("w", w_obj, "(F, C/groups, K)");
  const Conv2dSettings settings = conv.settings(x, w, options);
  const int64_t n = x.dim(0), c = x.dim(1), height = x.dim(2), width = x.dim(3), f = w.dim(0);
  const int64_t oh = settings.window.h.outputs(height), ow = settings.window.w.outputs(width);
  ArrayArg<T> dy(op, "dy", dy_obj);
  if (conv.has_rows) {
    dy.shaped({n, f, oh, ow});
  } else {
    dy.shaped({n, f, ow});
    dy.insert_axis(2);
  }
  const auto residual = optional_arg<T>(op, "dx_residual", residual_obj);
  if (residual) residual->shaped_like(x);
  std::optional<NormBefore<T>> before;
  NormReduction<T> reduction{};
  if (before_obj && need_dx && conv2d_reduces<T>(x.view(), w.view(), settings)) {
    before.emplace(op, x, *before_obj);
    reduction = before->reduction();
  }
  InputNorm<T> input_norm(op, x, w, settings, input_norm_obj);
  std::optional<NormBehind<T>> behind;
  NormBackward<T> taken{};
  if (behind_obj) behind.emplace(op, dy, *behind_obj);
  const bool takes = behind && need_dx && conv2d_takes_norm<T>(x.view(), w.view(), settings);
  if (takes) taken = behind->backward();
  if (behind && !takes) dy = behind->apart(op, dy);
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
                       db ? db->data() : nullptr, settings, residual ? residual->view() : TensorView<T>{},
                       before ? &reduction : nullptr, takes ? &taken : nullptr, input_norm.get());
  });
  return py::make_tuple(dx, array_or_none(dw), array_or_none(db),
                        before ? py::object(before->sums()) : py::none());
}

template <class T>
py::array im2col_as(py::handle x_obj, const Pair& kernel, const Pair& stride, const Pair& padding,
                    const Pair& dilation) {
  const char* op = "im2col";
  ArrayArg<T> x(op, "x", x_obj);
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").non_empty({1, 2, 3});
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
      .def(py::init<std::string, Pair, Padding, Pair, int64_t, std::string>(), py::arg("op"),
           py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::arg("algo"))
      .def_readonly("algo", &ConvOptions::algo_name);
  def(
      m, "conv_algo",
      [](std::array<int64_t, 4> x_shape, std::array<int64_t, 4> w_shape, const ConvOptions& options,
         bool wide) {
        return algo_name(wide ? chosen<double>(x_shape, w_shape, options)
                              : chosen<float>(x_shape, w_shape, options));
      },
      py::arg("x_shape"), py::arg("w_shape"), py::arg("options"), py::arg("wide"));
  def(
      m, "conv2d_forward",
      [](py::object x, py::object w, py::object b, const ConvOptions& options, bool stats, bool relu,
         std::optional<py::tuple> input_norm) {
        const Conv conv{"conv2d_forward", true};
        return with_dtype(conv.op, "x", x, [&](auto zero) {
          return forward_as<decltype(zero)>(conv, x, w, b, options, stats, relu, input_norm);
        });
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("options"), py::arg("stats") = false,
      py::arg("relu") = false, py::arg("input_norm") = py::none());
  def(
      m, "conv2d_takes_input_norm",
      [](py::object x, py::object w, const ConvOptions& options) {
        const Conv conv{"conv2d_forward", true};
        return with_dtype(conv.op, "x", x, [&](auto zero) {
          using T = decltype(zero);
          const ArrayArg<T> images(conv.op, "x", x), filters(conv.op, "w", w);
          return conv2d_takes_input_norm<T>(images.view(), filters.view(),
                                            conv.settings(images, filters, options));
        });
      },
      py::arg("x"), py::arg("w"), py::arg("options"));
  def(
      m, "conv2d_backward",
      [](py::object dy, py::object x, py::object w, const ConvOptions& options, bool has_bias, bool need_dx,
         bool need_dw, py::object dw, py::object db, py::object dx_residual, std::optional<py::tuple> before,
         std::optional<py::tuple> behind, std::optional<py::tuple> input_norm) {
        const Conv conv{"conv2d_backward", true};
        return with_dtype(conv.op, "dy", dy, [&](auto zero) {
          return backward_as<decltype(zero)>(conv, dy, x, w, options, has_bias, need_dx, need_dw, dw, db,
                                             dx_residual, before, behind, input_norm);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("options"), py::arg("has_bias"), py::arg("need_dx"),
      py::arg("need_dw"), py::arg("dw") = py::none(), py::arg("db") = py::none(),
      py::arg("dx_residual") = py::none(), py::arg("before") = py::none(), py::arg("behind") = py::none(),
      py::arg("input_norm") = py::none());
  // Results have the axis for rows; so have dw and db where they are given.
  def(
      m, "conv1d_forward",
      [](py::object x, py::object w, py::object b, const ConvOptions& options) {
        const Conv conv{"conv1d_forward", false};
        return with_dtype(conv.op, "x", x, [&](auto zero) {
          return forward_as<decltype(zero)>(conv, x, w, b, options, false, false, std::nullopt);
        });
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("options"));
  def(
      m, "conv1d_backward",
      [](py::object dy, py::object x, py::object w, const ConvOptions& options, bool has_bias, bool need_dx,
         bool need_dw, py::object dw, py::object db) {
        const Conv conv{"conv1d_backward", false};
        return with_dtype(conv.op, "dy", dy, [&](auto zero) {
          return backward_as<decltype(zero)>(conv, dy, x, w, options, has_bias, need_dx, need_dw, dw, db,
                                             py::none(), std::nullopt, std::nullopt, std::nullopt);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("options"), py::arg("has_bias"), py::arg("need_dx"),
      py::arg("need_dw"), py::arg("dw") = py::none(), py::arg("db") = py::none());
  def(
      m, "im2col",
      [](py::object x, Pair kernel_size, Pair stride, Pair padding, Pair dilation) {
        return with_dtype("im2col", "x", x, [&](auto zero) {
          return im2col_as<decltype(zero)>(x, kernel_size, stride, padding, dilation);
        });
      },
      py::arg("x"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("dilation"));
  def(
      m, "col2im",
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
