// Threads, instruction set, memory: the engine's switches.
#include "array_arg.h"
#include "fastnn/base/arch.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/probe/probe.h"

namespace fastnn::python {
namespace {

template <class T>
py::array dense_as(py::handle x_obj, bool channels_last) {
  const ArrayArg<T> x("dense", "x", x_obj);
  const TensorView<const T> view = x.view();
  auto y =
      new_array(channels_last ? channels_last_like<T>(view, nullptr) : c_order<T>(view.shape, view.rank));
  const TensorView<T> out = view_of(y);
  run_kernel([&] { copy_dense(view, out); });
  return y;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("active_isa", [] { return std::string(isa_name(active_isa())); });
  m.def("available_isas", [] {
    std::vector<std::string> names;
    for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon}) {
      if (isa_available(isa)) names.emplace_back(isa_name(isa));
    }
    return names;
  });
  m.def(
      "override_isa", [](const std::string& name) { override_isa(isa_from_name(name.c_str())); },
      py::arg("name"));

  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("threading_backend", &threading_backend);
  m.def("set_rendezvous", &set_rendezvous, py::arg("on"));
  m.def("workers_seen", &workers_seen);

  m.def("empty_cache", &empty_cache);
  m.def("cached_bytes", &cached_bytes);
  m.def("live_bytes", &live_bytes);
  m.def("peak_bytes", &peak_bytes);
  m.def("reset_peak_bytes", &reset_peak_bytes);
  m.def(
      "probe_fma",
      [](int64_t steps) {
        double flops = 0;
        run_kernel([&] { flops = probe_fma(steps); });
        return flops;
      },
      py::arg("steps"));
  m.def(
      "dense",
      [](py::handle x, bool channels_last) {
        return with_dtype("dense", "x", x,
                          [&](auto zero) { return dense_as<decltype(zero)>(x, channels_last); });
      },
      py::arg("x"), py::arg("channels_last"));
  m.def("operations", [] {
    return std::vector<std::string>{
#define FASTNN_OP(name) #name,
#include "fastnn/ops/ops.inc"
#undef FASTNN_OP
    };
  });
  m.def("compiler", [] { return std::string(__VERSION__); });
}

}  // namespace fastnn::python
