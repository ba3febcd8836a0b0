#include "array_arg.h"

namespace fastnn::python {

namespace {

template <class Size>
std::ostream& write_sizes(std::ostream& out, const Size* begin, const Size* end) {
  out << '(';
  for (const Size* size = begin; size != end; ++size) out << (size == begin ? "" : ", ") << *size;
  return out << (end - begin == 1 ? ",)" : ")");
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ShapeText& text) {
  return write_sizes(out, text.array.shape(), text.array.shape() + text.array.ndim());
}
std::ostream& operator<<(std::ostream& out, const SizesText& text) {
  return write_sizes(out, text.sizes, text.sizes + text.count);
}

template <>
const char* dtype_name<float>() {
  return "float32";
}
template <>
const char* dtype_name<double>() {
  return "float64";
}

py::array array_on_block(const py::dtype& dtype, int rank, const int64_t* shape, const int64_t* strides,
                         void* block) {
  py::ssize_t sizes[kMaxRank], steps[kMaxRank];
  for (int d = 0; d < rank; ++d) {
    sizes[d] = shape[d];
    steps[d] = strides[d] * dtype.itemsize();
  }
  auto owner = py::reinterpret_steal<py::object>(PyCapsule_New(
      block, nullptr, [](PyObject* capsule) { deallocate(PyCapsule_GetPointer(capsule, nullptr)); }));
  if (!owner) {
    deallocate(block);
    throw py::error_already_set();
  }
  // What py::array's constructor does, without its containers: this runs for every result.
  const auto& numpy = py::detail::npy_api::get();
  py::dtype descriptor = dtype;
  auto array = py::reinterpret_steal<py::array>(
      numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, descriptor.release().ptr(), rank, sizes, steps, block,
                                  py::detail::npy_api::NPY_ARRAY_WRITEABLE_, nullptr));
  if (!array || numpy.PyArray_SetBaseObject_(array.ptr(), owner.release().ptr()) != 0)
    throw py::error_already_set();
  return array;
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
