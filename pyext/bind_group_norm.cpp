// Norms that treat every example by itself: layer, group and instance norm.
#include "array_arg.h"
#include "fastnn/ops/groupnorm/groupnorm.h"
#include "fastnn/ops/layernorm/layernorm.h"

namespace fastnn::python {
namespace {

template <class T>
py::array_t<T> new_rows(const TensorView<T>& x) {
  return x.rank == 4 ? new_image<T>(x.shape[0], x.shape[1], x.shape[2], x.shape[3])
                     : new_array<T>({x.shape[0], x.shape[1]});
}

// The arguments that both passes of group norm share. No number of groups: one a channel.
template <class T>
struct GroupNormArgs {
  ArrayArg<T> x, gamma, beta;
  GroupNorm<T> norm{};

  GroupNormArgs(const char* op, py::handle x_obj, py::handle gamma_obj, py::handle beta_obj,
                std::optional<int64_t> groups, double eps)
      : x(op, "x", x_obj), gamma(op, "gamma", gamma_obj), beta(op, "beta", beta_obj) {
    check(x.rank() == 2 || x.rank() == 4, op, "x: expected shape (N, C) or (N, C, H, W), got ", x.shape());
    x.batched();
    const int64_t channels = x.dim(1);
    gamma.shaped({channels});
    beta.shaped({channels});
    norm = {gamma.contiguous(), beta.contiguous(), groups.value_or(channels), eps};
    check(norm.groups > 0 && channels % norm.groups == 0, op, "num_groups: expected a divisor of the ",
          channels, " channels of x, got ", norm.groups);
  }
};

template <class T>
py::tuple groupnorm_forward_as(const char* op, py::handle x_obj, py::handle gamma_obj, py::handle beta_obj,
                               std::optional<int64_t> groups, double eps) {
  const GroupNormArgs<T> args(op, x_obj, gamma_obj, beta_obj, groups, eps);
  auto statistics = new_array<double>({2, args.x.dim(0), args.norm.groups});
  auto y = new_rows(args.x.view());
  const TensorView<T> out = view_of(y);
  double* data = statistics.mutable_data();
  run_kernel([&] { groupnorm_forward<T>(args.x.view(), args.norm, out, data); });
  return py::make_tuple(y, statistics);
}

template <class T>
py::tuple groupnorm_backward_as(const char* op, py::handle dy_obj, py::handle x_obj, py::handle gamma_obj,
                                py::handle beta_obj, py::handle statistics_obj, std::optional<int64_t> groups,
                                double eps) {
  const GroupNormArgs<T> args(op, x_obj, gamma_obj, beta_obj, groups, eps);
  const ArrayArg<T> dy(op, "dy", dy_obj);
  dy.shaped_like(args.x);
  ArrayArg<double> statistics(op, "statistics", statistics_obj);
  statistics.shaped({2, args.x.dim(0), args.norm.groups}, "(2, N, groups)");
  auto dx = new_rows(args.x.view());
  auto dgamma = new_array<T>({args.x.dim(1)}), dbeta = new_array<T>({args.x.dim(1)});
  const TensorView<T> out = view_of(dx);
  const double* data = statistics.contiguous();
  T *dgamma_data = dgamma.mutable_data(), *dbeta_data = dbeta.mutable_data();
  run_kernel([&] {
    groupnorm_backward<T>(dy.view(), args.x.view(), args.norm, data, out, dgamma_data, dbeta_data);
  });
  return py::make_tuple(dx, dgamma, dbeta);
}

// The arguments that both passes of layer norm share.
template <class T>
struct LayerNormArgs {
  ArrayArg<T> x, gamma, beta;
  int64_t rows = 0;

  LayerNormArgs(const char* op, py::handle x_obj, py::handle gamma_obj, py::handle beta_obj)
      : x(op, "x", x_obj), gamma(op, "gamma", gamma_obj), beta(op, "beta", beta_obj) {
    x.batched();
    const int lead = x.rank() - gamma.rank();
    bool fits = gamma.rank() >= 1 && lead >= 0;
    for (int d = 0; fits && d < gamma.rank(); ++d) fits = gamma.dim(d) == x.dim(lead + d) && gamma.dim(d) > 0;
    check(fits, op, "gamma: expected the shape of the last axes of x ", x.shape(), ", got ", gamma.shape());
    beta.shaped_like(gamma);
    rows = x.view().size() / gamma.view().size();
  }
  LayerNorm<T> norm(double eps) const { return {gamma.view(), beta.view(), eps}; }

  // Rows of images may lie with channels last; all others are in C order.
  py::array_t<T> new_result() const {
    if (gamma.rank() >= 3) return new_like(x.view());
    return new_array(c_order<T>(x.view().shape, x.rank()));
  }
};

template <class T>
py::tuple layernorm_forward_as(py::handle x_obj, py::handle gamma_obj, py::handle beta_obj, double eps) {
  const LayerNormArgs<T> args("layernorm_forward", x_obj, gamma_obj, beta_obj);
  auto statistics = new_array<double>({2, args.rows});
  auto y = args.new_result();
  const TensorView<T> out = view_of(y);
  double* data = statistics.mutable_data();
  run_kernel([&] { layernorm_forward<T>(args.x.view(), args.norm(eps), out, data); });
  return py::make_tuple(y, statistics);
}

template <class T>
py::tuple layernorm_backward_as(py::handle dy_obj, py::handle x_obj, py::handle gamma_obj,
                                py::handle beta_obj, py::handle statistics_obj, double eps) {
  const char* op = "layernorm_backward";
  const LayerNormArgs<T> args(op, x_obj, gamma_obj, beta_obj);
  const ArrayArg<T> dy(op, "dy", dy_obj);
  dy.shaped_like(args.x);
  ArrayArg<double> statistics(op, "statistics", statistics_obj);
  statistics.shaped({2, args.rows}, "(2, rows)");
  const TensorView<T> shape = c_order<T>(args.gamma.view().shape, args.gamma.rank());
  auto dx = args.new_result();
  auto dgamma = new_array(shape), dbeta = new_array(shape);
  const TensorView<T> out = view_of(dx), dgamma_out = view_of(dgamma), dbeta_out = view_of(dbeta);
  const double* data = statistics.contiguous();
  run_kernel([&] {
    layernorm_backward<T>(dy.view(), args.x.view(), args.norm(eps), data, out, dgamma_out, dbeta_out);
  });
  return py::make_tuple(dx, dgamma, dbeta);
}

void bind_groups(py::module_& m, const char* forward, const char* backward) {
  def(
      m, forward,
      [=](py::object x, py::object gamma, py::object beta, std::optional<int64_t> groups, double eps) {
        return with_dtype(forward, "x", x, [&](auto zero) {
          return groupnorm_forward_as<decltype(zero)>(forward, x, gamma, beta, groups, eps);
        });
      },
      py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("groups"), py::arg("eps"));
  def(
      m, backward,
      [=](py::object dy, py::object x, py::object gamma, py::object beta, py::object statistics,
          std::optional<int64_t> groups, double eps) {
        return with_dtype(backward, "x", x, [&](auto zero) {
          return groupnorm_backward_as<decltype(zero)>(backward, dy, x, gamma, beta, statistics, groups, eps);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("statistics"),
      py::arg("groups"), py::arg("eps"));
}

}  // namespace

void bind_group_norm(py::module_& m) {
  bind_groups(m, "groupnorm_forward", "groupnorm_backward");
  bind_groups(m, "instancenorm_forward", "instancenorm_backward");
  def(
      m, "layernorm_forward",
      [](py::object x, py::object gamma, py::object beta, double eps) {
        return with_dtype("layernorm_forward", "x", x, [&](auto zero) {
          return layernorm_forward_as<decltype(zero)>(x, gamma, beta, eps);
        });
      },
      py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("eps"));
  def(
      m, "layernorm_backward",
      [](py::object dy, py::object x, py::object gamma, py::object beta, py::object statistics, double eps) {
        return with_dtype("layernorm_backward", "x", x, [&](auto zero) {
          return layernorm_backward_as<decltype(zero)>(dy, x, gamma, beta, statistics, eps);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("statistics"), py::arg("eps"));
}

}  // namespace fastnn::python
