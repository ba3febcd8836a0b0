#include "array_arg.h"

namespace fastnn::python {

void bind_runtime(py::module_& m);
void bind_conv(py::module_& m);
void bind_gemm(py::module_& m);
void bind_activation(py::module_& m);
void bind_loss(py::module_& m);
void bind_optim(py::module_& m);
void bind_norm(py::module_& m);
void bind_group_norm(py::module_& m);
void bind_conv_transpose(py::module_& m);
void bind_pool(py::module_& m);
void bind_resample(py::module_& m);
void bind_dropout(py::module_& m);
void bind_plan(py::module_& m);

}  // namespace fastnn::python

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled operations; fastnn.functional is their public face.";
  fastnn::python::bind_runtime(m);
  fastnn::python::bind_conv(m);
  fastnn::python::bind_gemm(m);
  fastnn::python::bind_activation(m);
  fastnn::python::bind_loss(m);
  fastnn::python::bind_optim(m);
  fastnn::python::bind_norm(m);
  fastnn::python::bind_group_norm(m);
  fastnn::python::bind_conv_transpose(m);
  fastnn::python::bind_pool(m);
  fastnn::python::bind_resample(m);
  fastnn::python::bind_dropout(m);
  fastnn::python::bind_plan(m);
}
