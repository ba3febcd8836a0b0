// NumPy arrays at the boundary: from Python objects to views that kernels take, with checks and error text,
// and back.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fastnn/base/allocator.h"
#include "fastnn/base/check.h"
#include "fastnn/base/float_mode.h"
#include "fastnn/base/shape.h"
#include "fastnn/base/tensor_view.h"
#include "shortcut.h"

namespace fastnn::python {

namespace py = pybind11;

// A shape in an error's text, as Python prints it: "(2, 3)". It becomes text when it is written, which a good
// call never does: making texts ahead costs more than a small kernel.
struct ShapeText {
  const py::array& array;
};
std::ostream& operator<<(std::ostream& out, const ShapeText& text);

// The same of sizes that belong to no array.
struct SizesText {
  int64_t sizes[kMaxRank] = {};
  size_t count;

  SizesText(std::initializer_list<int64_t> given) : count(given.size()) {
    std::copy(given.begin(), given.end(), sizes);
  }
};
std::ostream& operator<<(std::ostream& out, const SizesText& text);

template <class T>
const char* dtype_name();

// A null reference. What py::array itself makes by default is a new array without elements, which costs more
// than a small kernel.
template <class Array = py::array>
Array no_array() {
  return py::reinterpret_steal<Array>(py::handle());
}

// The fields of an array.
inline const py::detail::PyArray_Proxy* fields(py::handle array) {
  return py::detail::array_proxy(array.ptr());
}

// Whether elements are T in native byte order.
template <class T>
bool holds(py::handle array) {
  const auto* descriptor = py::detail::array_descriptor_proxy(fields(array)->descr);
  return descriptor->type_num == py::dtype::num_of<T>() && descriptor->byteorder == '=';
}

// The ndarray behind an argument; TypeError for anything else.
py::array as_array(const char* op, const char* name, py::handle object);

// Calls fn(T()) with T the element type, float or double, of array argument `name`; ValueError for another
// dtype.
template <class Fn>
auto with_dtype(const char* op, const char* name, py::handle object, Fn&& fn) {
  const py::array array = as_array(op, name, object);
  if (holds<float>(array)) return fn(float());
  if (holds<double>(array)) return fn(double());
  fail(op, name, ": expected dtype float32 or float64 in native byte order, got ",
       std::string(py::str(array.dtype())), array.dtype().byteorder() == '>' ? " (big-endian)" : "");
}

// One array argument as a view. Strides that are not whole elements, and unaligned data, are copied once.
template <class T>
class ArrayArg {
 public:
  ArrayArg(const char* op, const char* name, py::handle object)
      : op_(op), name_(name), array_(as_array(op, name, object)) {
    if (!holds<T>(array_)) {
      fail(op, name, ": expected dtype ", dtype_name<T>(), " as the other arrays, got ",
           std::string(py::str(array_.dtype())));
    }
    if (!whole_elements())
      array_ = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(array_.attr("copy")());
    const auto* array = fields(array_);
    if (array->nd > kMaxRank)
      fail(op, name, ": expected at most ", kMaxRank, " dimensions, got shape ", shape());
    view_.data = reinterpret_cast<T*>(array->data);
    view_.rank = array->nd;
    for (int d = 0; d < view_.rank; ++d) {
      view_.shape[d] = array->dimensions[d];
      // Strides of axes with fewer than two elements mean nothing, and may be anything.
      view_.stride[d] = view_.shape[d] < 2 ? 0 : array->strides[d] / static_cast<int64_t>(sizeof(T));
    }
  }

  // Requires `expected`; a size of -1 allows any. `where` explains them in parts of a text: "(N, in)".
  // Without it the sizes speak for themselves.
  template <class... Parts>
  const ArrayArg& shaped(std::initializer_list<int64_t> expected, const Parts&... where) const {
    bool ok = view_.rank == static_cast<int>(expected.size());
    int d = 0;
    for (int64_t size : expected) {
      ok = ok && (size < 0 || view_.shape[d] == size);
      ++d;
    }
    if (ok) return *this;
    if constexpr (sizeof...(where) == 0) {
      fail(op_, name_, ": expected shape ", SizesText{expected}, ", got ", shape());
    } else {
      fail(op_, name_, ": expected shape ", where..., ", got ", shape());
    }
  }

  // Requires the sizes of another argument.
  template <class U>
  const ArrayArg& shaped_like(const ArrayArg<U>& other) const {
    const bool ok =
        view_.rank == other.rank() && std::equal(view_.shape, view_.shape + view_.rank, other.view().shape);
    if (!ok) fail(op_, name_, ": expected shape ", other.shape(), ", got ", shape());
    return *this;
  }

  // Requires non-zero sizes along all axes but the first, which is the batch.
  const ArrayArg& batched() const {
    for (int d = 1; d < view_.rank; ++d) non_empty({d});
    return *this;
  }

  // Requires non-zero sizes along the given axes.
  const ArrayArg& non_empty(std::initializer_list<int> axes) const {
    for (int d : axes) {
      if (view_.shape[d] <= 0) fail(op_, name_, ": expected no zero dimension, got shape ", shape());
    }
    return *this;
  }

  // Puts an axis of one element before axis d: a signal (N, C, L) is an image (N, C, 1, L).
  void insert_axis(int d) {
    std::copy_backward(view_.shape + d, view_.shape + view_.rank, view_.shape + view_.rank + 1);
    std::copy_backward(view_.stride + d, view_.stride + view_.rank, view_.stride + view_.rank + 1);
    view_.shape[d] = 1;
    view_.stride[d] = 0;
    ++view_.rank;
  }

  const TensorView<T>& view() const { return view_; }
  int rank() const { return view_.rank; }
  int64_t dim(int d) const { return view_.shape[d]; }
  ShapeText shape() const { return {array_}; }
  const py::array& array() const { return array_; }

  MatrixView<T> matrix() const {
    return {view_.data, view_.shape[0], view_.shape[1], view_.shape[0] < 2 ? view_.shape[1] : view_.stride[0],
            view_.shape[1] < 2 ? 1 : view_.stride[1]};
  }

  // Elements one after another in C order: the array itself if it is so, else a copy that this argument
  // keeps.
  T* contiguous() {
    if (!(array_.flags() & py::array::c_style)) {
      array_ = py::array_t<T, py::array::c_style>::ensure(array_);
      view_.data = static_cast<T*>(const_cast<void*>(array_.data()));
    }
    return view_.data;
  }

  // Like contiguous(), for arguments written in place: refuses instead of copying.
  T* writable() const {
    check(array_.writeable(), op_, name_, ": expected a writable array, got a read-only one");
    check(array_.flags() & py::array::c_style, op_, name_,
          ": expected a C-contiguous array, got strides that are not");
    return view_.data;
  }

 private:
  bool whole_elements() const {
    const auto* array = fields(array_);
    if (reinterpret_cast<uintptr_t>(array->data) % alignof(T)) return false;
    for (int d = 0; d < array->nd; ++d) {
      if (array->dimensions[d] > 1 && array->strides[d] % static_cast<py::ssize_t>(sizeof(T))) return false;
    }
    return true;
  }

  const char* op_;
  const char* name_;
  py::array array_;
  TensorView<T> view_;
};

// The array of a block of the caching allocator, which it takes over, and gives back when it is garbage
// collected. Strides are in elements.
py::array array_on_block(const py::dtype& dtype, int rank, const int64_t* shape, const int64_t* strides,
                         void* block);

// A new array with the shape and the dense strides of a view, whose data does not matter.
template <class T>
py::array_t<T> new_array(const TensorView<T>& view) {
  int64_t size = 1;
  for (int d = 0; d < view.rank; ++d) size = checked_mul(size, view.shape[d]);
  checked_mul(size, sizeof(T));
  Buffer<T> buffer(std::max<int64_t>(size, 1));
  py::array array = array_on_block(py::dtype::of<T>(), view.rank, view.shape, view.stride, buffer.release());
  return py::reinterpret_steal<py::array_t<T>>(array.release());
}

// A shape in C order, without data.
template <class T>
TensorView<T> c_order(const int64_t* shape, int rank) {
  TensorView<T> view{nullptr, rank, {}, {}};
  int64_t step = 1;
  for (int d = rank; d-- > 0; step = checked_mul(step, shape[d])) {
    view.shape[d] = shape[d];
    view.stride[d] = step;
  }
  return view;
}

template <class T>
py::array_t<T> new_array(std::initializer_list<int64_t> shape) {
  return new_array(c_order<T>(shape.begin(), static_cast<int>(shape.size())));
}

// Images: (N, C, H, W) by shape, N, H, W, C in memory.
template <class T>
TensorView<T> image_view(T* data, int64_t n, int64_t c, int64_t h, int64_t w) {
  return {data, 4, {n, c, h, w}, {h * w * c, 1, w * c, c}};
}
template <class T>
py::array_t<T> new_image(int64_t n, int64_t c, int64_t h, int64_t w) {
  checked_mul(checked_mul(n, c), checked_mul(h, w));
  return new_array(image_view<T>(nullptr, n, c, h, w));
}

// Shape and strides of the result of an elementwise operation: dense, in x's memory order where x is dense in
// C order or is images with channels last; else images become channels-last, and all others C order.
template <class T>
TensorView<T> result_like(const TensorView<T>& x) {
  const TensorView<T> dense = c_order<T>(x.shape, x.rank);
  bool same = true;
  for (int d = 0; d < x.rank; ++d) same &= x.shape[d] == 1 || x.stride[d] == dense.stride[d];
  return same || x.rank != 4 ? dense : image_view<T>(nullptr, x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
}

// The array for such a result.
template <class T>
py::array_t<T> new_like(const TensorView<T>& x) {
  return new_array(result_like(x));
}

// A new array as a view to write to.
template <class T>
TensorView<T> view_of(py::array_t<T>& array) {
  TensorView<T> view{array.mutable_data(), static_cast<int>(array.ndim()), {}, {}};
  for (int d = 0; d < view.rank; ++d) {
    view.shape[d] = array.shape(d);
    view.stride[d] = array.strides(d) / static_cast<int64_t>(sizeof(T));
  }
  return view;
}

// A result in C order: the caller's array where one is given, else a new one.
template <class T>
class Result {
 public:
  Result(const char* op, const char* name, py::handle given, std::initializer_list<int64_t> shape) {
    if (given.is_none()) {
      array_ = new_array<T>(shape);
      data_ = static_cast<T*>(array_.mutable_data());
    } else {
      const ArrayArg<T> out(op, name, given);
      array_ = out.array();
      check(std::equal(shape.begin(), shape.end(), array_.shape(), array_.shape() + array_.ndim()), op, name,
            ": expected memory for the result's shape, got ", out.shape());
      data_ = out.writable();
    }
  }
  T* data() const { return data_; }
  const py::array& array() const { return array_; }
  TensorView<T> view() const {
    TensorView<T> view{data_, static_cast<int>(array_.ndim()), {}, {}};
    int64_t step = 1;
    for (int d = view.rank; d-- > 0; step *= view.shape[d]) {
      view.shape[d] = array_.shape(d);
      view.stride[d] = step;
    }
    return view;
  }

 private:
  py::array array_ = no_array();
  T* data_;
};

template <class T>
py::object array_or_none(const std::optional<Result<T>>& result) {
  return result ? py::object(result->array()) : py::none();
}

// Whether the memory of two arrays may overlap, by the addresses they span.
bool may_overlap(const py::array& a, const py::array& b);

// Runs a kernel without the GIL and under the engine's floating-point mode.
template <class Fn>
void run_kernel(Fn&& fn) {
  class Release {
   public:
    ~Release() { PyEval_RestoreThread(state_); }

   private:
    PyThreadState* state_ = PyEval_SaveThread();
  };
  const Release release;
  const FloatMode mode;
  fn();
}

// An optional argument: absent when None.
template <class T>
std::optional<ArrayArg<T>> optional_arg(const char* op, const char* name, py::handle object) {
  if (object.is_none()) return std::nullopt;
  return std::optional<ArrayArg<T>>(std::in_place, op, name, object);
}

}  // namespace fastnn::python
