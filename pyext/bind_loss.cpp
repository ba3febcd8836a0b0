#include "array_arg.h"
#include "fastnn/ops/softmax/softmax.h"
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy.h"

namespace fastnn::python {
namespace {

// (N, C) as a matrix whose columns are contiguous.
template <class T>
MatrixView<T> rows_of(ArrayArg<T>& arg) {
  arg.shaped({-1, -1}, "(N, C)").non_empty({1});
  const MatrixView<T> view = arg.matrix();
  return view.col_stride == 1 ? view : row_major(arg.contiguous(), view.rows, view.cols);
}

// Labels and weights of N examples, and the arrays that hold them.
template <class T>
class TargetArgs {
 public:
  TargetArgs(const char* op, py::handle labels_obj, py::handle weights_obj, int64_t n)
      : weights_(optional_arg<T>(op, "weights", weights_obj)) {
    const py::array labels = as_array(op, "labels", labels_obj);
    const char kind = labels.dtype().kind();
    const std::string expected = "(" + std::to_string(n) + ",)";
    // The texts cost more than the kernel: they are made when they are needed.
    if (kind != 'i' && kind != 'u')
      fail(op, "labels: expected integers, got dtype ", std::string(py::str(labels.dtype())));
    if (labels.ndim() != 1 || labels.shape(0) != n)
      fail(op, "labels: expected shape ", expected, ", got ", shape_text(labels));
    if (weights_) weights_->shaped({n}, expected);
    labels_ = Labels::ensure(labels);
    if (!labels_) throw py::error_already_set();
    view_ = {labels_.data(), weights_ ? weights_->contiguous() : nullptr};
  }

  const LossTargets<T>& view() const { return view_; }

 private:
  // Aligned too, which ensure() does not ask for by itself.
  using Labels = py::array_t<int64_t, py::array::c_style | py::array::forcecast |
                                          py::detail::npy_api::NPY_ARRAY_ALIGNED_>;
  std::optional<ArrayArg<T>> weights_;
  Labels labels_;
  LossTargets<T> view_;
};

template <class T>
py::array softmax_as(py::handle x_obj) {
  ArrayArg<T> x("softmax", "x", x_obj);
  const MatrixView<T> rows = rows_of(x);
  auto y = new_array<T>({rows.rows, rows.cols});
  T* data = y.mutable_data();
  run_kernel([&] { softmax<T>(rows, row_major(data, rows.rows, rows.cols)); });
  return y;
}

template <class T>
py::tuple forward_as(py::handle scores_obj, py::handle labels_obj, py::handle weights_obj) {
  const char* op = "softmax_cross_entropy_forward";
  ArrayArg<T> scores(op, "scores", scores_obj);
  const MatrixView<T> rows = rows_of(scores);
  if (rows.rows == 0) fail(op, "scores: expected at least one example, got shape ", scores.shape());
  TargetArgs<T> targets(op, labels_obj, weights_obj, rows.rows);
  auto probs = new_array<T>({rows.rows, rows.cols});
  T* data = probs.mutable_data();
  double value;
  run_kernel([&] {
    value = softmax_cross_entropy_forward<T>(rows, targets.view(), row_major(data, rows.rows, rows.cols));
  });
  return py::make_tuple(value, probs);
}

template <class T>
py::array backward_as(double dvalue, py::handle probs_obj, py::handle labels_obj, py::handle weights_obj) {
  const char* op = "softmax_cross_entropy_backward";
  ArrayArg<T> probs(op, "probs", probs_obj);
  const MatrixView<T> rows = rows_of(probs);
  TargetArgs<T> targets(op, labels_obj, weights_obj, rows.rows);
  auto dscores = new_array<T>({rows.rows, rows.cols});
  T* data = dscores.mutable_data();
  run_kernel([&] {
    softmax_cross_entropy_backward<T>(dvalue, rows, targets.view(), row_major(data, rows.rows, rows.cols));
  });
  return dscores;
}

// Value and dscores in one call, for dvalue = 1.
template <class T>
py::tuple both_as(py::handle scores_obj, py::handle labels_obj, py::handle weights_obj) {
  const char* op = "softmax_cross_entropy_forward";
  ArrayArg<T> scores(op, "scores", scores_obj);
  const MatrixView<T> rows = rows_of(scores);
  if (rows.rows == 0) fail(op, "scores: expected at least one example, got shape ", scores.shape());
  TargetArgs<T> targets(op, labels_obj, weights_obj, rows.rows);
  auto result = new_array<T>({rows.rows, rows.cols});
  const MatrixView<T> out = row_major(result.mutable_data(), rows.rows, rows.cols);
  double value;
  run_kernel([&] {
    value = softmax_cross_entropy_forward<T>(rows, targets.view(), out);
    softmax_cross_entropy_backward<T>(1, out, targets.view(), out);
  });
  return py::make_tuple(value, result);
}

}  // namespace

void bind_loss(py::module_& m) {
  m.def(
      "softmax",
      [](py::object x) {
        return with_dtype("softmax", "x", x, [&](auto zero) { return softmax_as<decltype(zero)>(x); });
      },
      py::arg("x"));
  m.def(
      "softmax_cross_entropy_forward",
      [](py::object scores, py::object labels, py::object weights) {
        return with_dtype("softmax_cross_entropy_forward", "scores", scores,
                          [&](auto zero) { return forward_as<decltype(zero)>(scores, labels, weights); });
      },
      py::arg("scores"), py::arg("labels"), py::arg("weights"));
  m.def(
      "softmax_cross_entropy_backward",
      [](double dvalue, py::object probs, py::object labels, py::object weights) {
        return with_dtype("softmax_cross_entropy_backward", "probs", probs, [&](auto zero) {
          return backward_as<decltype(zero)>(dvalue, probs, labels, weights);
        });
      },
      py::arg("dvalue"), py::arg("probs"), py::arg("labels"), py::arg("weights"));
  m.def(
      "softmax_cross_entropy",
      [](py::object scores, py::object labels, py::object weights) {
        return with_dtype("softmax_cross_entropy_forward", "scores", scores,
                          [&](auto zero) { return both_as<decltype(zero)>(scores, labels, weights); });
      },
      py::arg("scores"), py::arg("labels"), py::arg("weights"));
}

}  // namespace fastnn::python
