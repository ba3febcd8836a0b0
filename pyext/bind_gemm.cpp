#include "array_arg.h"
#include "column_statistics.h"
#include "fastnn/ops/gemm/gemm.h"
#include "fastnn/ops/linear/linear.h"

namespace fastnn::python {
namespace {

template <class T>
py::array gemm_as(py::handle a_obj, py::handle b_obj, py::handle bias_obj, py::handle residual_obj, bool relu,
                  py::handle out_obj) {
  const char* op = "gemm";
  ArrayArg<T> a(op, "a", a_obj), b(op, "b", b_obj);
  a.shaped({-1, -1}, "(m, k)").non_empty({1});
  const int64_t m = a.dim(0), k = a.dim(1);
  b.shaped({k, -1}, "(", k, ", n) for k=", k).non_empty({1});
  const int64_t n = b.dim(1);
  auto bias = optional_arg<T>(op, "bias", bias_obj);
  auto residual = optional_arg<T>(op, "residual", residual_obj);
  auto out = optional_arg<T>(op, "out", out_obj);

  Epilogue<T> epilogue;
  epilogue.relu = relu;
  if (bias) {
    bias->shaped({n});
    epilogue.bias = bias->contiguous();
  }
  if (residual) {
    residual->shaped({m, n});
    const T* data = residual->contiguous();
    epilogue.residual = {data, m, n, n, 1};
  }
  py::array result = no_array();
  T* c;
  if (out) {
    out->shaped({m, n});
    c = out->writable();
    for (py::handle input : {a_obj, b_obj, bias_obj, residual_obj}) {
      if (!input.is_none()) {
        check(!may_overlap(out->array(), py::reinterpret_borrow<py::array>(input)), op,
              "out: expected memory of its own, got an array that overlaps an input");
      }
    }
    result = out->array();
  } else {
    auto made = new_array<T>({m, n});
    c = made.mutable_data();
    result = made;
  }
  run_kernel([&] { gemm<T>(a.matrix(), b.matrix(), row_major(c, m, n), {}, epilogue); });
  return result;
}

template <class T>
py::tuple linear_forward_as(py::handle x_obj, py::handle w_obj, py::handle b_obj, bool relu, bool stats) {
  const char* op = "linear_forward";
  ArrayArg<T> x(op, "x", x_obj), w(op, "w", w_obj);
  auto b = optional_arg<T>(op, "b", b_obj);
  x.shaped({-1, -1}, "(N, in)").non_empty({1});
  w.shaped({-1, x.dim(1)}, "(out, ", x.dim(1), ") for in=", x.dim(1)).non_empty({0});
  Epilogue<T> epilogue;
  epilogue.relu = relu;
  if (b) {
    b->shaped({w.dim(0)});
    epilogue.bias = b->contiguous();
  }
  auto y = new_array<T>({x.dim(0), w.dim(0)});
  const MatrixView<T> result = row_major(y.mutable_data(), x.dim(0), w.dim(0));
  if (!stats) {
    run_kernel([&] { linear_forward<T>(x.matrix(), w.matrix(), result, {}, epilogue); });
    return py::make_tuple(y, py::none());
  }
  check(x.dim(0) > 0, op, "x: expected at least one row to take statistics of, got shape ", x.shape());
  ColumnStatistics statistics(w.dim(0));
  statistics.give_to(epilogue);
  run_kernel([&] { linear_forward<T>(x.matrix(), w.matrix(), result, {}, epilogue); });
  return py::make_tuple(y, statistics.of(x.dim(0)));
}

template <class T>
py::tuple linear_backward_as(py::handle dy_obj, py::handle x_obj, py::handle w_obj, bool has_bias,
                             bool need_dx, bool need_dw, py::handle dw_obj, py::handle db_obj) {
  const char* op = "linear_backward";
  ArrayArg<T> dy(op, "dy", dy_obj), x(op, "x", x_obj), w(op, "w", w_obj);
  x.shaped({-1, -1}, "(N, in)");
  w.shaped({-1, x.dim(1)}, "(out, ", x.dim(1), ")");
  const int64_t n = x.dim(0), in = x.dim(1), out = w.dim(0);
  dy.shaped({n, out});
  std::optional<Result<T>> dw, db;
  if (need_dw) dw.emplace(op, "dw", dw_obj, std::initializer_list<int64_t>{out, in});
  if (need_dw && has_bias) db.emplace(op, "db", db_obj, std::initializer_list<int64_t>{out});
  py::object dx = py::none();
  T* dx_data = nullptr;
  if (need_dx) {
    auto array = new_array<T>({n, in});
    dx_data = array.mutable_data();
    dx = array;
  }
  run_kernel([&] {
    linear_backward<T>(dy.matrix(), x.matrix(), w.matrix(), row_major(dx_data, n, in),
                       row_major(dw ? dw->data() : nullptr, out, in), db ? db->data() : nullptr);
  });
  return py::make_tuple(dx, array_or_none(dw), array_or_none(db));
}

}  // namespace

void bind_gemm(py::module_& m) {
  def(
      m, "gemm",
      [](py::object a, py::object b, py::object bias, py::object residual, bool relu, py::object out) {
        return with_dtype("gemm", "a", a, [&](auto zero) {
          return gemm_as<decltype(zero)>(a, b, bias, residual, relu, out);
        });
      },
      py::arg("a"), py::arg("b"), py::arg("bias"), py::arg("residual"), py::arg("relu"), py::arg("out"));
  def(
      m, "linear_forward",
      [](py::object x, py::object w, py::object b, bool relu, bool stats) {
        return with_dtype("linear_forward", "x", x,
                          [&](auto zero) { return linear_forward_as<decltype(zero)>(x, w, b, relu, stats); });
      },
      py::arg("x"), py::arg("w"), py::arg("b"), py::arg("relu") = false, py::arg("stats") = false);
  def(
      m, "linear_backward",
      [](py::object dy, py::object x, py::object w, bool has_bias, bool need_dx, bool need_dw, py::object dw,
         py::object db) {
        return with_dtype("linear_backward", "dy", dy, [&](auto zero) {
          return linear_backward_as<decltype(zero)>(dy, x, w, has_bias, need_dx, need_dw, dw, db);
        });
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("has_bias"), py::arg("need_dx"), py::arg("need_dw"),
      py::arg("dw") = py::none(), py::arg("db") = py::none());
}

}  // namespace fastnn::python
