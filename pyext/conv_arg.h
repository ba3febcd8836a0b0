// What the bindings of convolutions share: settings, checked, and images as views.
#pragma once

#include <algorithm>
#include <variant>

#include "array_arg.h"
#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn::python {

using Pair = std::pair<int64_t, int64_t>;
using Padding = std::variant<Pair, std::string>;  // zeros on each side, or "same"

inline SizesText pair_text(const Pair& p) { return {p.first, p.second}; }

inline void check_range(const char* op, const char* name, const Pair& p, int64_t least) {
  constexpr int64_t kMost = 1 << 30;  // sums of a few of them stay within 63 bits
  check(std::min(p.first, p.second) >= least && std::max(p.first, p.second) <= kMost, op, name,
        ": expected integers from ", least, " to 2^30, got ", pair_text(p));
}

// Kernel, stride, padding and dilation, each in its range.
inline Window2d conv_window(const char* op, const Pair& kernel, const Pair& stride, const Padding& padding,
                            const Pair& dilation) {
  check_range(op, "kernel_size", kernel, 1);
  check_range(op, "stride", stride, 1);
  check_range(op, "dilation", dilation, 1);
  Window2d window{{kernel.first, stride.first, 0, dilation.first},
                  {kernel.second, stride.second, 0, dilation.second}};
  if (const auto* name = std::get_if<std::string>(&padding)) {
    check(*name == "same", op, "padding: expected integers or \"same\", got '", *name, "'");
    check(stride.first == 1 && stride.second == 1, op, "stride: expected 1 with padding \"same\", got ",
          pair_text(stride));
    return {window.h.same(), window.w.same()};
  }
  const Pair& zeros = std::get<Pair>(padding);
  check_range(op, "padding", zeros, 0);
  window.h.padding = zeros.first;
  window.w.padding = zeros.second;
  return window;
}

// A window that fits on images of h x w pixels.
inline Window2d make_window(const char* op, int64_t h, int64_t w, const Pair& kernel, const Pair& stride,
                            const Padding& padding, const Pair& dilation) {
  const Window2d window = conv_window(op, kernel, stride, padding, dilation);
  check(window.h.outputs(h) > 0 && window.w.outputs(w) > 0, op,
        "kernel_size: expected an extent of at most the padded input, ",
        pair_text({h + 2 * window.h.padding, w + 2 * window.w.padding}), ", got ",
        pair_text({window.h.extent(), window.w.extent()}));
  return window;
}

inline ConvAlgo algo_from(const char* op, const std::string& name) {
  if (name == "auto") return ConvAlgo::automatic;
  if (name == "direct") return ConvAlgo::direct;
  if (name == "im2col") return ConvAlgo::im2col;
  if (name == "winograd") return ConvAlgo::winograd;
  fail(op, "algo: expected \"auto\", \"direct\", \"winograd\" or \"im2col\", got '", name, "'");
}

inline void check_winograd(const char* op, const Conv2dSettings& settings) {
  check(settings.algo != ConvAlgo::winograd || winograd_applies(settings), op,
        "algo: expected 3x3 filters, stride 1 or 2, dilation 1, padding at most 2 and one group for "
        "\"winograd\", "
        "got another geometry");
}

// What a convolution is told beside its arrays, checked. Python makes it once and hands it to every call.
struct ConvOptions {
  Pair stride;
  Padding padding;
  Pair dilation;
  int64_t groups;
  std::string algo_name;
  ConvAlgo algo;

  ConvOptions(const std::string& op, const Pair& stride, const Padding& padding, const Pair& dilation,
              int64_t groups, const std::string& algo_name)
      : stride(stride),
        padding(padding),
        dilation(dilation),
        groups(groups),
        algo_name(algo_name),
        algo(algo_from(op.c_str(), algo_name)) {
    conv_window(op.c_str(), {1, 1}, stride, padding, dilation);
  }
};

}  // namespace fastnn::python

namespace pybind11::detail {

// Looks its type up once, where pybind11's own caster does for every argument.
template <>
class type_caster<fastnn::python::ConvOptions> : public type_caster_generic {
 public:
  static constexpr auto name = const_name<fastnn::python::ConvOptions>();
  template <class T>
  using cast_op_type = detail::cast_op_type<T>;

  type_caster() : type_caster_generic(registered()) {}
  operator fastnn::python::ConvOptions*() { return static_cast<fastnn::python::ConvOptions*>(value); }
  operator fastnn::python::ConvOptions&() {
    if (!value) throw reference_cast_error();
    return *static_cast<fastnn::python::ConvOptions*>(value);
  }

 private:
  static const type_info* registered() {
    static const type_info* const found = get_type_info(typeid(fastnn::python::ConvOptions));
    return found;
  }
};

}  // namespace pybind11::detail

namespace fastnn::python {

// Checks x and w against each other and the options. `taps` names the last axes of w.
template <class T>
Conv2dSettings make_settings(const char* op, const ArrayArg<T>& x, const ArrayArg<T>& w,
                             const ConvOptions& options, const char* taps = "KH, KW") {
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").non_empty({1, 2, 3});
  const int64_t c = x.dim(1), groups = options.groups;
  check(groups >= 1 && c % groups == 0, op, "groups: expected a divisor of C=", c, ", got ", groups);
  if (groups == 1) {
    w.shaped({-1, c, -1, -1}, "(F, ", c, ", ", taps, ") for C=", c);
  } else {
    w.shaped({-1, c / groups, -1, -1}, "(F, ", c / groups, ", ", taps, ") for C=", c, ", groups=", groups);
  }
  w.non_empty({0, 2, 3});
  check(w.dim(0) % groups == 0, op, "groups: expected a divisor of F=", w.dim(0), ", got ", groups);
  const Window2d window = make_window(op, x.dim(2), x.dim(3), {w.dim(2), w.dim(3)}, options.stride,
                                      options.padding, options.dilation);
  const Conv2dSettings settings{window, groups, options.algo};
  check_winograd(op, settings);
  return settings;
}

}  // namespace fastnn::python
