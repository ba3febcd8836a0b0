#include <algorithm>
#include <deque>

#include "array_arg.h"
#include "fastnn/ops/adam_update/adam_update.h"
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
    check(same, op_, name, ": expected shape ", shape_text(param_), " as param, got ", shape_text(array));
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

}  // namespace

void bind_optim(py::module_& m) {
  m.def(
      "sgd_update",
      [](py::object param, py::object grad, py::object velocity, double lr, double momentum, bool nesterov,
         double weight_decay) {
        with_dtype("sgd_update", "param", param, [&](auto zero) {
          sgd_update_as<decltype(zero)>(param, grad, velocity, {lr, momentum, weight_decay, nesterov});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("velocity"), py::arg("lr"), py::arg("momentum"),
      py::arg("nesterov"), py::arg("weight_decay"));
  m.def(
      "adam_update",
      [](py::object param, py::object grad, py::object first, py::object second, int64_t step, double lr,
         double beta1, double beta2, double eps, double weight_decay, bool decoupled) {
        with_dtype("adam_update", "param", param, [&](auto zero) {
          adam_update_as<decltype(zero)>(param, grad, first, second,
                                         {step, lr, beta1, beta2, eps, weight_decay, decoupled});
        });
      },
      py::arg("param"), py::arg("grad"), py::arg("m"), py::arg("v"), py::arg("step"), py::arg("lr"),
      py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"));
}

}  // namespace fastnn::python
