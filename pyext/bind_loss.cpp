#include <map>
#include <string>

#include "array_arg.h"
#include "fastnn/ops/hinge/hinge.h"
#include "fastnn/ops/pointwise_loss/pointwise_loss.h"
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

// Labels of N examples, and the array that holds them.
class LabelArg {
 public:
  LabelArg(const char* op, py::handle object, int64_t n) {
    const py::array labels = as_array(op, "labels", object);
    const char kind = labels.dtype().kind();
    // The texts cost more than the kernel: they are made when they are needed.
    if (kind != 'i' && kind != 'u')
      fail(op, "labels: expected integers, got dtype ", std::string(py::str(labels.dtype())));
    if (labels.ndim() != 1 || labels.shape(0) != n)
      fail(op, "labels: expected shape (", n, ",), got ", ShapeText{labels});
    labels_ = Array::ensure(labels);
    if (!labels_) throw py::error_already_set();
  }

  const int64_t* data() const { return labels_.data(); }

 private:
  // Aligned too, which ensure() does not ask for by itself.
  using Array = py::array_t<int64_t, py::array::c_style | py::array::forcecast |
                                         py::detail::npy_api::NPY_ARRAY_ALIGNED_>;
  Array labels_;
};

// A vector of `n` numbers that may be absent: null then.
template <class T>
class VectorArg {
 public:
  VectorArg(const char* op, const char* name, py::handle object, int64_t n)
      : arg_(optional_arg<T>(op, name, object)) {
    if (arg_) arg_->shaped({n});
  }

  const T* data() { return arg_ ? arg_->contiguous() : nullptr; }

 private:
  std::optional<ArrayArg<T>> arg_;
};

// What Python passes on of the targets of softmax_cross_entropy.
struct TargetObjects {
  py::object labels, weights, class_weights;
  double smoothing;
  std::optional<int64_t> ignore_index;
};

// The same as views, and the arrays that hold them. Labels are integers (N,), or probabilities (N, C).
template <class T>
class TargetArgs {
 public:
  TargetArgs(const char* op, const TargetObjects& objects, int64_t n, int64_t c)
      : weights_(op, "weights", objects.weights, n),
        class_weights_(op, "class_weights", objects.class_weights, c) {
    const py::array labels = as_array(op, "labels", objects.labels);
    view_ = {nullptr, weights_.data(), {}, class_weights_.data(), objects.smoothing, objects.ignore_index};
    if (labels.ndim() == 2 && labels.dtype().kind() == 'f') {
      given_.emplace(op, "labels", labels);
      given_->shaped({n, c});
      check(!objects.ignore_index, op, "ignore_index: expected None, since labels are probabilities, got ",
            objects.ignore_index.value_or(0));
      view_.given = rows_of(*given_);
    } else {
      labels_.emplace(op, labels, n);
      view_.labels = labels_->data();
    }
  }

  const LossTargets<T>& view() const { return view_; }

 private:
  VectorArg<T> weights_, class_weights_;
  std::optional<ArrayArg<T>> given_;
  std::optional<LabelArg> labels_;
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
py::tuple cross_entropy_forward_as(py::handle scores_obj, const TargetObjects& objects) {
  const char* op = "softmax_cross_entropy_forward";
  ArrayArg<T> scores(op, "scores", scores_obj);
  const MatrixView<T> rows = rows_of(scores);
  if (rows.rows == 0) fail(op, "scores: expected at least one example, got shape ", scores.shape());
  const TargetArgs<T> targets(op, objects, rows.rows, rows.cols);
  auto probs = new_array<T>({rows.rows, rows.cols});
  T* data = probs.mutable_data();
  double value;
  run_kernel([&] {
    value = softmax_cross_entropy_forward<T>(rows, targets.view(), row_major(data, rows.rows, rows.cols));
  });
  return py::make_tuple(value, probs);
}

template <class T>
py::array cross_entropy_backward_as(double dvalue, py::handle probs_obj, const TargetObjects& objects) {
  const char* op = "softmax_cross_entropy_backward";
  ArrayArg<T> probs(op, "probs", probs_obj);
  const MatrixView<T> rows = rows_of(probs);
  const TargetArgs<T> targets(op, objects, rows.rows, rows.cols);
  auto dscores = new_array<T>({rows.rows, rows.cols});
  T* data = dscores.mutable_data();
  run_kernel([&] {
    softmax_cross_entropy_backward<T>(dvalue, rows, targets.view(), row_major(data, rows.rows, rows.cols));
  });
  return dscores;
}

// Value and dscores in one call, for dvalue = 1.
template <class T>
py::tuple cross_entropy_as(py::handle scores_obj, const TargetObjects& objects) {
  const char* op = "softmax_cross_entropy_forward";
  ArrayArg<T> scores(op, "scores", scores_obj);
  const MatrixView<T> rows = rows_of(scores);
  if (rows.rows == 0) fail(op, "scores: expected at least one example, got shape ", scores.shape());
  const TargetArgs<T> targets(op, objects, rows.rows, rows.cols);
  auto result = new_array<T>({rows.rows, rows.cols});
  const MatrixView<T> out = row_major(result.mutable_data(), rows.rows, rows.cols);
  double value;
  run_kernel([&] {
    value = softmax_cross_entropy_forward<T>(rows, targets.view(), out);
    softmax_cross_entropy_backward<T>(1, out, targets.view(), out);
  });
  return py::make_tuple(value, result);
}

// The arguments of both passes of hinge.
template <class T>
struct HingeArgs {
  HingeArgs(const char* op, py::handle scores_obj, py::handle labels_obj, py::handle weights_obj,
            double margin)
      : scores(op, "scores", scores_obj),
        rows(rows_of(scores)),
        labels(op, labels_obj, rows.rows),
        weights(op, "weights", weights_obj, rows.rows),
        targets{labels.data(), weights.data(), margin} {}

  ArrayArg<T> scores;
  MatrixView<T> rows;
  LabelArg labels;
  VectorArg<T> weights;
  HingeTargets<T> targets;
};

template <class T>
double hinge_forward_as(py::handle scores, py::handle labels, py::handle weights, double margin) {
  const HingeArgs<T> args("hinge_forward", scores, labels, weights, margin);
  double value;
  run_kernel([&] { value = hinge_forward<T>(args.rows, args.targets); });
  return value;
}

template <class T>
py::array hinge_backward_as(double dvalue, py::handle scores, py::handle labels, py::handle weights,
                            double margin) {
  const HingeArgs<T> args("hinge_backward", scores, labels, weights, margin);
  auto dscores = new_array<T>({args.rows.rows, args.rows.cols});
  const MatrixView<T> out = row_major(dscores.mutable_data(), args.rows.rows, args.rows.cols);
  run_kernel([&] { hinge_backward<T>(dvalue, args.rows, args.targets, out); });
  return dscores;
}

// Which loss a name means, and what its functions are called in messages.
struct PointwiseName {
  explicit PointwiseName(const std::string& name) {
    static const std::map<std::string, PointwiseLoss> losses = {
        {"mse", PointwiseLoss::squared},
        {"l1", PointwiseLoss::absolute},
        {"huber", PointwiseLoss::huber},
        {"binary_cross_entropy", PointwiseLoss::logistic},
    };
    loss = losses.at(name);
    forward = name + "_forward";
    backward = name + "_backward";
  }

  PointwiseLoss loss;
  std::string forward, backward;
};

// The arguments of both passes of a pointwise loss.
template <class T>
struct PointwiseArgs {
  PointwiseArgs(const char* op, py::handle scores_obj, py::handle targets_obj, py::handle weights_obj)
      : scores(op, "scores", scores_obj),
        targets(op, "targets", targets_obj),
        weights(op, "weights", weights_obj, scores.rank() ? scores.dim(0) : 0) {
    if (scores.rank() == 0 || scores.dim(0) == 0)
      fail(op, "scores: expected at least one example, got shape ", scores.shape());
    scores.batched();
    targets.shaped_like(scores);
  }

  ArrayArg<T> scores, targets;
  VectorArg<T> weights;
};

template <class T>
double pointwise_forward_as(const PointwiseName& name, py::handle scores_obj, py::handle targets_obj,
                            py::handle weights_obj, double delta) {
  const char* op = name.forward.c_str();
  PointwiseArgs<T> args(op, scores_obj, targets_obj, weights_obj);
  const TensorView<T> order = result_like(args.scores.view());
  const T* weights = args.weights.data();
  double value;
  run_kernel([&] {
    value = pointwise_loss_forward<T>(op, args.scores.view(), args.targets.view(), weights, order.stride,
                                      {name.loss, delta});
  });
  return value;
}

template <class T>
py::array pointwise_backward_as(const PointwiseName& name, double dvalue, py::handle scores_obj,
                                py::handle targets_obj, py::handle weights_obj, double delta) {
  const char* op = name.backward.c_str();
  PointwiseArgs<T> args(op, scores_obj, targets_obj, weights_obj);
  auto dscores = new_like(args.scores.view());
  const TensorView<T> out = view_of(dscores);
  const T* weights = args.weights.data();
  run_kernel([&] {
    pointwise_loss_backward<T>(op, dvalue, args.scores.view(), args.targets.view(), weights, out,
                               {name.loss, delta});
  });
  return dscores;
}

}  // namespace

void bind_loss(py::module_& m) {
  def(
      m, "softmax",
      [](py::object x) {
        return with_dtype("softmax", "x", x, [&](auto zero) { return softmax_as<decltype(zero)>(x); });
      },
      py::arg("x"));
  def(
      m, "softmax_cross_entropy_forward",
      [](py::object scores, py::object labels, py::object weights, py::object class_weights,
         double label_smoothing, std::optional<int64_t> ignore_index) {
        return with_dtype("softmax_cross_entropy_forward", "scores", scores, [&](auto zero) {
          return cross_entropy_forward_as<decltype(zero)>(
              scores, {labels, weights, class_weights, label_smoothing, ignore_index});
        });
      },
      py::arg("scores"), py::arg("labels"), py::arg("weights"), py::arg("class_weights"),
      py::arg("label_smoothing"), py::arg("ignore_index"));
  def(
      m, "softmax_cross_entropy_backward",
      [](double dvalue, py::object probs, py::object labels, py::object weights, py::object class_weights,
         double label_smoothing, std::optional<int64_t> ignore_index) {
        return with_dtype("softmax_cross_entropy_backward", "probs", probs, [&](auto zero) {
          return cross_entropy_backward_as<decltype(zero)>(
              dvalue, probs, {labels, weights, class_weights, label_smoothing, ignore_index});
        });
      },
      py::arg("dvalue"), py::arg("probs"), py::arg("labels"), py::arg("weights"), py::arg("class_weights"),
      py::arg("label_smoothing"), py::arg("ignore_index"));
  def(
      m, "softmax_cross_entropy",
      [](py::object scores, py::object labels, py::object weights, py::object class_weights,
         double label_smoothing, std::optional<int64_t> ignore_index) {
        return with_dtype("softmax_cross_entropy_forward", "scores", scores, [&](auto zero) {
          return cross_entropy_as<decltype(zero)>(
              scores, {labels, weights, class_weights, label_smoothing, ignore_index});
        });
      },
      py::arg("scores"), py::arg("labels"), py::arg("weights"), py::arg("class_weights"),
      py::arg("label_smoothing"), py::arg("ignore_index"));
  def(
      m, "hinge_forward",
      [](py::object scores, py::object labels, py::object weights, double margin) {
        return with_dtype("hinge_forward", "scores", scores, [&](auto zero) {
          return hinge_forward_as<decltype(zero)>(scores, labels, weights, margin);
        });
      },
      py::arg("scores"), py::arg("labels"), py::arg("weights"), py::arg("margin"));
  def(
      m, "hinge_backward",
      [](double dvalue, py::object scores, py::object labels, py::object weights, double margin) {
        return with_dtype("hinge_backward", "scores", scores, [&](auto zero) {
          return hinge_backward_as<decltype(zero)>(dvalue, scores, labels, weights, margin);
        });
      },
      py::arg("dvalue"), py::arg("scores"), py::arg("labels"), py::arg("weights"), py::arg("margin"));
  def(
      m, "pointwise_loss_forward",
      [](const std::string& loss, py::object scores, py::object targets, py::object weights, double delta) {
        const PointwiseName name(loss);
        return with_dtype(name.forward.c_str(), "scores", scores, [&](auto zero) {
          return pointwise_forward_as<decltype(zero)>(name, scores, targets, weights, delta);
        });
      },
      py::arg("loss"), py::arg("scores"), py::arg("targets"), py::arg("weights"), py::arg("delta"));
  def(
      m, "pointwise_loss_backward",
      [](const std::string& loss, double dvalue, py::object scores, py::object targets, py::object weights,
         double delta) {
        const PointwiseName name(loss);
        return with_dtype(name.backward.c_str(), "scores", scores, [&](auto zero) {
          return pointwise_backward_as<decltype(zero)>(name, dvalue, scores, targets, weights, delta);
        });
      },
      py::arg("loss"), py::arg("dvalue"), py::arg("scores"), py::arg("targets"), py::arg("weights"),
      py::arg("delta"));
}

}  // namespace fastnn::python
