// Functions of the module. pybind11 makes each of them: its text, its keywords, its conversions, its
// refusals. But what it does for a call in general takes as long as a small kernel, so a call with positional
// arguments of the very types that the function takes goes straight to it; every other call goes through
// pybind11.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <string>
#include <tuple>
#include <utility>

namespace fastnn::python {

namespace py = pybind11;

template <class Fn, class Signature>
struct Shortcut;

template <class Fn, class Result, class... Args>
struct Shortcut<Fn, Result(Args...)> {
  // Puts the shortcut to m.name, a function of pybind11, in its place. `defaults` are null where an argument
  // has none.
  static void put(py::module_& m, const char* name, Fn fn, std::array<py::object, sizeof...(Args)> defaults) {
    auto* shortcut = new Shortcut{std::move(fn), std::move(defaults), m.attr(name), name, {}, {}};
    const py::capsule self(shortcut, [](void* made) { delete static_cast<Shortcut*>(made); });
    shortcut->text_ = py::str(shortcut->general_.attr("__doc__"));
    const auto function = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call));
    shortcut->method_ = {shortcut->name_.c_str(), function, METH_FASTCALL | METH_KEYWORDS,
                         shortcut->text_.c_str()};
    PyObject* made = PyCFunction_NewEx(&shortcut->method_, self.ptr(), py::object(m.attr("__name__")).ptr());
    if (!made) throw py::error_already_set();
    m.attr(name) = py::reinterpret_steal<py::object>(made);
  }

  using Indices = std::index_sequence_for<Args...>;

  static PyObject* call(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* names) {
    const auto* shortcut = static_cast<const Shortcut*>(PyCapsule_GetPointer(self, nullptr));
    try {  // reading an argument may run Python, which may raise
      std::tuple<py::detail::make_caster<Args>...> args;
      if (!names && shortcut->load(args, given, count, Indices())) return shortcut->run(args, Indices());
    } catch (...) {
      py::detail::try_translate_exceptions();
      return nullptr;
    }
    return PyObject_Vectorcall(shortcut->general_.ptr(), given, static_cast<size_t>(count), names);
  }

  template <class Casters, size_t... I>
  bool load(Casters& args, PyObject* const* given, Py_ssize_t count, std::index_sequence<I...>) const {
    if (count > static_cast<Py_ssize_t>(sizeof...(I))) return false;
    const auto at = [&](size_t i) {
      return static_cast<Py_ssize_t>(i) < count ? py::handle(given[i]) : py::handle(defaults_[i]);
    };
    return (... && (at(I) && std::get<I>(args).load(at(I), false)));
  }

  template <class Casters, size_t... I>
  PyObject* run(Casters& args, std::index_sequence<I...>) const {
    if constexpr (std::is_void_v<Result>) {
      fn_(py::detail::cast_op<Args>(std::move(std::get<I>(args)))...);
      return py::none().release().ptr();
    } else {
      return py::detail::make_caster<Result>::cast(
                 fn_(py::detail::cast_op<Args>(std::move(std::get<I>(args)))...),
                 py::return_value_policy::move, py::handle())
          .ptr();
    }
  }

  Fn fn_;
  std::array<py::object, sizeof...(Args)> defaults_;
  py::object general_;
  std::string name_, text_;
  PyMethodDef method_;
};

inline py::object default_of(const py::arg&) { return {}; }
inline py::object default_of(const py::arg_v& named) { return named.value; }

// Like m.def(name, fn, names...).
template <class Fn, class... Names>
void def(py::module_& m, const char* name, Fn fn, const Names&... names) {
  m.def(name, fn, names...);
  Shortcut<Fn, py::detail::function_signature_t<Fn>>::put(m, name, std::move(fn), {default_of(names)...});
}

}  // namespace fastnn::python
