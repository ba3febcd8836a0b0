#include "array_arg.h"

namespace fastnn::python {

std::string shape_text(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t d = 0; d < array.ndim(); ++d) text += (d ? ", " : "") + std::to_string(array.shape(d));
  return text + (array.ndim() == 1 ? ",)" : ")");
}

template <>
const char* dtype_name<float>() {
  return "float32";
}
template <>
const char* dtype_name<double>() {
  return "float64";
}

py::array as_array(const char* op, const char* name, py::handle object) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error("[" + std::string(op) + "] " + name + ": expected a NumPy array, got " +
                         std::string(py::str(py::type::of(object).attr("__name__"))));
  }
  return py::reinterpret_borrow<py::array>(object);
}

namespace {

std::pair<uintptr_t, uintptr_t> span(const py::array& array) {
  uintptr_t begin = reinterpret_cast<uintptr_t>(array.data()),
            end = begin + static_cast<uintptr_t>(array.itemsize());
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    if (array.shape(d) == 0) return {begin, begin};
    const py::ssize_t reach = (array.shape(d) - 1) * array.strides(d);
    reach < 0 ? begin += static_cast<uintptr_t>(reach) : end += static_cast<uintptr_t>(reach);
  }
  return {begin, end};
}

}  // namespace

bool may_overlap(const py::array& a, const py::array& b) {
  const auto [a0, a1] = span(a);
  const auto [b0, b1] = span(b);
  return a0 < b1 && b0 < a1;
}

}  // namespace fastnn::python
