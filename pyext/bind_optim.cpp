#include <algorithm>
#include <deque>

#include "array_arg.h"
#include "fastnn/ops/adam_update/adam_update.h"
#include "fastnn/ops/adaptive_update/adaptive_update.h"
#include "fastnn/ops/sgd_update/sgd_update.h"

namespace fastnn::python {
namespace {

// The arrays of one update: all of param's shape, each one run of elements. Those that are written must not
// share memory with any other.
template <class T>
class UpdateArgs {
 public:
  UpdateArgs(const char* op, py::handle param) : op_(op), param_(as_array(op, "param", param)) {}

  int64_t count() const { return param_.size(); }

  const T* read(const char* name, py::handle object) { return add(name, object).contiguous(); }

  T* write(const char* name, py::handle object) {
    ArrayArg<T>& arg = add(name, object);
    T* data = arg.writable();
    for (const ArrayArg<T>& other : args_) {
      check(&other == &arg || !may_overlap(arg.array(), other.array()), op_, name,
            ": expected memory of its own, got an array that overlaps another");
    }
    return data;
  }

 private:
  ArrayArg<T>& add(const char* name, py::handle object) {
    py::array array = as_array(op_, name, object);
    const bool same = array.ndim() == param_.ndim() &&
                      std::equal(array.shape(), array.shape() + array.ndim(), param_.shape());
    check(same, op_, name, ": expected shape ", ShapeText{param_}, " as param, got ", ShapeText{array});
    // As one axis, so that any rank will do.
    if (array.flags() & py::array::c_style) array = array.reshape({array.size()});
    return args_.emplace_back(op_, name, array);
  }

  const char* op_;
  py::array param_;
  std::deque<ArrayArg<T>> args_;  // references stay valid
};

template <class T>
void sgd_update_as(py::handle param_obj, py::handle grad_obj, py::handle velocity_obj,
                   const SgdOptions& options) {
  UpdateArgs<T> args("sgd_update", param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* velocity = velocity_obj.is_none() ? nullptr : args.write("velocity", velocity_obj);
  check(velocity || options.momentum == 0, "sgd_update",
        "velocity: expected an array, since momentum is not 0, got None");
  run_kernel([&] { sgd_update<T>(args.count(), param, grad, velocity, options); });
}

template <class T>
void adam_update_as(py::handle param_obj, py::handle grad_obj, py::handle m_obj, py::handle v_obj,
                    const AdamOptions& options) {
  UpdateArgs<T> args("adam_update", param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* m = args.write("m", m_obj);
  T* v = args.write("v", v_obj);
  run_kernel([&] { adam_update<T>(args.count(), param, grad, m, v, options); });
}

template <class T>
void adagrad_update_as(py::handle param_obj, py::handle grad_obj, py::handle total_obj,
                       const AdagradOptions& options) {
  UpdateArgs<T> args("adagrad_update", param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* total = args.write("total", total_obj);
  run_kernel([&] { adagrad_update<T>(args.count(), param, grad, total, options); });
}

template <class T>
void rmsprop_update_as(py::handle param_obj, py::handle grad_obj, py::handle square_obj, py::handle mean_obj,
                       py::handle velocity_obj, const RmspropOptions& options) {
  const char* op = "rmsprop_update";
  UpdateArgs<T> args(op, param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* square = args.write("square", square_obj);
  T* mean = mean_obj.is_none() ? nullptr : args.write("mean", mean_obj);
  T* velocity = velocity_obj.is_none() ? nullptr : args.write("velocity", velocity_obj);
  check(velocity || options.momentum == 0, op,
        "velocity: expected an array, since momentum is not 0, got None");
  run_kernel([&] { rmsprop_update<T>(args.count(), param, grad, square, mean, velocity, options); });
}

template <class T>
void adadelta_update_as(py::handle param_obj, py::handle grad_obj, py::handle square_obj,
                        py::handle change_obj, const AdadeltaOptions& options) {
  UpdateArgs<T> args("adadelta_update", param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* square = args.write("square", square_obj);
  T* change = args.write("change", change_obj);
  run_kernel([&] { adadelta_update<T>(args.count(), param, grad, square, change, options); });
}

template <class T>
void nadam_update_as(py::handle param_obj, py::handle grad_obj, py::handle m_obj, py::handle v_obj,
                     const NadamOptions& options) {
  UpdateArgs<T> args("nadam_update", param_obj);
  const T* grad = args.read("grad", grad_obj);
  T* param = args.write("param", param_obj);
  T* m = args.write("m", m_obj);
  T* v = args.write("v", v_obj);
  run_kernel([&] { nadam_update<T>(args.count(), param, grad, m, v, options); });
}

}  // namespace

void bind_optim(py::module_& m) {
  def(
      m, "sgd_update",
      [](py::object param, py::object grad, py::object velocity, double lr, double momentum, bool nesterov,
         double weight_decay) {
        with_dtype("sgd_update", "param", param, [&](auto zero) {
          sgd_update_as<decltype(zero)>(param, grad, velocity, {lr, momentum, weight_decay, nesterov});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("velocity"), py::arg("lr"), py::arg("momentum"),
      py::arg("nesterov"), py::arg("weight_decay"));
  def(
      m, "adam_update",
      [](py::object param, py::object grad, py::object first, py::object second, int64_t step, double lr,
         double beta1, double beta2, double eps, double weight_decay, bool decoupled) {
        with_dtype("adam_update", "param", param, [&](auto zero) {
          adam_update_as<decltype(zero)>(param, grad, first, second,
                                         {step, lr, beta1, beta2, eps, weight_decay, decoupled});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("m"), py::arg("v"), py::arg("step"), py::arg("lr"),
      py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"));
  def(
      m, "adagrad_update",
      [](py::object param, py::object grad, py::object total, double lr, double eps, double weight_decay) {
        with_dtype("adagrad_update", "param", param, [&](auto zero) {
          adagrad_update_as<decltype(zero)>(param, grad, total, {lr, eps, weight_decay});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("total"), py::arg("lr"), py::arg("eps"),
      py::arg("weight_decay"));
  def(
      m, "rmsprop_update",
      [](py::object param, py::object grad, py::object square, py::object mean, py::object velocity,
         double lr, double alpha, double eps, double weight_decay, double momentum) {
        with_dtype("rmsprop_update", "param", param, [&](auto zero) {
          rmsprop_update_as<decltype(zero)>(param, grad, square, mean, velocity,
                                            {lr, alpha, eps, weight_decay, momentum});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("square"), py::arg("mean"), py::arg("velocity"),
      py::arg("lr"), py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"), py::arg("momentum"));
  def(
      m, "adadelta_update",
      [](py::object param, py::object grad, py::object square, py::object change, double lr, double rho,
         double eps, double weight_decay) {
        with_dtype("adadelta_update", "param", param, [&](auto zero) {
          adadelta_update_as<decltype(zero)>(param, grad, square, change, {lr, rho, eps, weight_decay});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("square"), py::arg("change"), py::arg("lr"), py::arg("rho"),
      py::arg("eps"), py::arg("weight_decay"));
  def(
      m, "nadam_update",
      [](py::object param, py::object grad, py::object first, py::object second, double lr, double grad_rate,
         double m_rate, double v_scale, double beta1, double beta2, double eps, double weight_decay,
         bool decoupled) {
        with_dtype("nadam_update", "param", param, [&](auto zero) {
          nadam_update_as<decltype(zero)>(
              param, grad, first, second,
              {lr, grad_rate, m_rate, v_scale, beta1, beta2, eps, weight_decay, decoupled});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("m"), py::arg("v"), py::arg("lr"), py::arg("grad_rate"),
      py::arg("m_rate"), py::arg("v_scale"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
      py::arg("weight_decay"), py::arg("decoupled"));
}

}  // namespace fastnn::python
