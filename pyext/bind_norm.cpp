#include "fastnn/ops/batchnorm/batchnorm.h"
#include "new_rows.h"

namespace fastnn::python {
namespace {

template <class T>
ArrayArg<T> batch_arg(const char* op, const char* name, py::handle object) {
  ArrayArg<T> x(op, name, object);
  if (x.rank() != 2 && x.rank() != 4)
    fail(op, name, ": expected shape (N, C) or (N, C, H, W), got ", x.shape());
  x.batched();
  return x;
}

// The arguments that forward and backward share.
template <class T>
struct Norm {
  ArrayArg<T> x, gamma, beta;
  std::optional<ArrayArg<T>> residual;
  BatchNorm<T> norm{};

  Norm(const char* op, py::handle x_obj, py::handle gamma_obj, py::handle beta_obj, py::handle residual_obj,
       double eps, bool relu)
      : x(batch_arg<T>(op, "x", x_obj)),
        gamma(op, "gamma", gamma_obj),
        beta(op, "beta", beta_obj),
        residual(optional_arg<T>(op, "residual", residual_obj)) {
    gamma.shaped({x.dim(1)});
    beta.shaped({x.dim(1)});
    norm.gamma = gamma.contiguous();
    norm.beta = beta.contiguous();
    norm.eps = eps;
    norm.relu = relu;
    if (residual) norm.residual = residual->shaped_like(x).view();
  }
};

template <class T>
void copy_statistic(const char* name, py::handle object, const Norm<T>& norm, double* to) {
  ArrayArg<T> values("batchnorm_forward", name, object);
  values.shaped({norm.x.dim(1)});
  std::copy_n(values.contiguous(), values.dim(0), to);
}

// Running statistics, which move towards a batch's: momentum or None, mean, variance, number of batches.
template <class T>
class Running {
 public:
  Running(const char* op, const py::tuple& running, int64_t channels)
      : momentum_(running[0].cast<std::optional<double>>()),
        mean_(op, "running_mean", running[1]),
        var_(op, "running_var", running[2]),
        batches_(as_array(op, "num_batches_tracked", running[3])) {
    mean_.shaped({channels}, "(C,)");
    var_.shaped({channels}, "(C,)");
    check(holds<int64_t>(batches_), op, "num_batches_tracked: expected dtype int64, got another");
  }

  void track(const double* statistics, int64_t count) {
    T *const mean = mean_.writable(), *const var = var_.writable();  // before anything is counted
    const int64_t seen = ++*static_cast<int64_t*>(batches_.mutable_data());
    const double share = momentum_.value_or(1.0 / static_cast<double>(seen));
    batchnorm_track<T>(statistics, mean_.dim(0), count, share, mean, var);
  }

 private:
  std::optional<double> momentum_;
  ArrayArg<T> mean_, var_;
  py::array batches_;
};

template <class T>
py::tuple batchnorm_forward_as(py::handle x_obj, py::handle gamma_obj, py::handle beta_obj,
                               py::handle mean_obj, py::handle var_obj, py::handle statistics_obj, double eps,
                               bool relu, py::handle residual_obj, bool deferred,
                               const std::optional<py::tuple>& running_obj) {
  const char* op = "batchnorm_forward";
  Norm<T> args(op, x_obj, gamma_obj, beta_obj, residual_obj, eps, relu);
  const int64_t channels = args.x.dim(1);
  auto statistics = no_array<py::array_t<double>>();
  const bool compute = mean_obj.is_none() && statistics_obj.is_none();
  if (statistics_obj.is_none()) {
    statistics = new_array<double>({2, channels});
  } else {
    ArrayArg<double> given(op, "statistics", statistics_obj);
    given.shaped({2, channels}, "(2, C)");
    given.contiguous();
    statistics = given.array();
  }
  double* mean = const_cast<double*>(statistics.data());
  double* var = mean + channels;
  if (mean_obj.is_none()) {
    const int64_t count = args.x.view().size() / channels;
    if (count < 2)
      fail(op, "x: expected at least 2 values a channel in training, got ", count, " in shape ",
           args.x.shape());
  } else if (statistics_obj.is_none()) {
    copy_statistic("mean", mean_obj, args, mean);
    copy_statistic("var", var_obj, args, var);
  }
  args.norm.mean = mean;
  args.norm.var = var;
  if (compute) run_kernel([&] { batchnorm_statistics<T>(args.x.view(), mean, var); });
  if (running_obj) Running<T>(op, *running_obj, channels).track(mean, args.x.view().size() / channels);
  if (deferred) return py::make_tuple(py::none(), statistics);
  auto [y, out] = new_rows(args.x);
  run_kernel([&, out = out] { batchnorm_forward<T>(args.x.view(), args.norm, out); });
  return py::make_tuple(y, statistics);
}

template <class T>
py::tuple batchnorm_backward_as(py::handle dy_obj, py::handle x_obj, py::handle gamma_obj,
                                py::handle beta_obj, py::handle statistics_obj, double eps, bool relu,
                                py::handle residual_obj, bool training, py::handle dgamma_obj,
                                py::handle dbeta_obj, py::handle sums_obj) {
  const char* op = "batchnorm_backward";
  Norm<T> args(op, x_obj, gamma_obj, beta_obj, residual_obj, eps, relu);
  const int64_t channels = args.x.dim(1);
  const ArrayArg<T> dy(op, "dy", dy_obj);
  dy.shaped_like(args.x);
  ArrayArg<double> statistics(op, "statistics", statistics_obj);
  statistics.shaped({2, channels}, "(2, C)");
  args.norm.mean = statistics.contiguous();
  args.norm.var = args.norm.mean + channels;
  Result<T> dgamma(op, "dgamma", dgamma_obj, {channels}), dbeta(op, "dbeta", dbeta_obj, {channels});
  auto sums = optional_arg<double>(op, "sums", sums_obj);
  if (sums) sums->shaped({2, channels}, "(2, C)");
  py::object dx = py::none(), dresidual = py::none();
  TensorView<T> dx_view, dresidual_view;
  if (sums && !args.residual && is_new_rows(dy)) {
    dx = dy.array();
    dx_view = dy.view();
  } else {
    auto [array, view] = new_rows(args.x);
    dx = array;
    dx_view = view;
  }
  if (args.residual) {
    if (relu && !sums) {
      auto [array, view] = new_rows(args.x);
      dresidual = array;
      dresidual_view = view;
    } else {
      dresidual = py::reinterpret_borrow<py::object>(dy_obj);
    }
  }
  const double* given = sums ? sums->contiguous() : nullptr;
  run_kernel([&] {
    batchnorm_backward<T>(dy.view(), args.x.view(), args.norm, training, given, dx_view, dresidual_view,
                          dgamma.data(), dbeta.data());
  });
  return py::make_tuple(dx, dgamma.array(), dbeta.array(), dresidual);
}

}  // namespace

void bind_norm(py::module_& m) {
  def(
      m, "batchnorm_forward",
      [](py::object x, py::object gamma, py::object beta, py::object mean, py::object var,
         py::object statistics, double eps, bool relu, py::object residual, bool deferred,
         std::optional<py::tuple> running) {
        return with_dtype("batchnorm_forward", "x", x, [&](auto zero) {
          return batchnorm_forward_as<decltype(zero)>(x, gamma, beta, mean, var, statistics, eps, relu,
                                                      residual, deferred, running);
        });
      },
      py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("mean"), py::arg("var"), py::arg("statistics"),
      py::arg("eps"), py::arg("relu"), py::arg("residual"), py::arg("deferred") = false,
      py::arg("running") = py::none());
  def(
      m, "batchnorm_backward",
      [](py::object dy, py::object x, py::object gamma, py::object beta, py::object statistics, double eps,
         bool relu, py::object residual, bool training, py::object dgamma, py::object dbeta,
         py::object sums) {
        return with_dtype("batchnorm_backward", "x", x, [&](auto zero) {
          return batchnorm_backward_as<decltype(zero)>(dy, x, gamma, beta, statistics, eps, relu, residual,
                                                       training, dgamma, dbeta, sums);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("statistics"), py::arg("eps"),
      py::arg("relu"), py::arg("residual"), py::arg("training"), py::arg("dgamma") = py::none(),
      py::arg("dbeta") = py::none(), py::arg("sums") = py::none());
}

}  // namespace fastnn::python
