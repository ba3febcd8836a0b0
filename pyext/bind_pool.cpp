#include "array_arg.h"
#include "fastnn/ops/avgpool2d/avgpool2d.h"
#include "fastnn/ops/maxpool2d/maxpool2d.h"

namespace fastnn::python {
namespace {

using IntPair = std::pair<int64_t, int64_t>;
using Shape = std::array<int64_t, 4>;

SizesText text(const IntPair& p) { return {p.first, p.second}; }

// ---- windows over images of a shape, checked
// ---------------------------------------------------------------

Window2d window_over(const char* op, const int64_t* x_shape, IntPair kernel, IntPair stride, IntPair padding,
                     bool ceil_mode) {
  constexpr int64_t kMost = 1 << 30;  // ends of windows have 32 bits
  check(std::min(kernel.first, kernel.second) >= 1 && std::max(kernel.first, kernel.second) <= kMost, op,
        "kernel_size: expected integers from 1 to 2^30, got ", text(kernel));
  check(std::min(stride.first, stride.second) >= 1 && std::max(stride.first, stride.second) <= kMost, op,
        "stride: expected integers from 1 to 2^30, got ", text(stride));
  // A wider margin would make windows that see no pixel at all.
  const IntPair half{kernel.first / 2, kernel.second / 2};
  check(std::min(padding.first, padding.second) >= 0 && padding.first <= half.first &&
            padding.second <= half.second,
        op, "padding: expected 0 to half the kernel, ", text(half), ", got ", text(padding));
  Window2d window{{kernel.first, stride.first, padding.first, 1},
                  {kernel.second, stride.second, padding.second, 1}};
  if (ceil_mode) window = ceiled(window, x_shape[2], x_shape[3]);
  check(window.h.outputs(x_shape[2]) > 0 && window.w.outputs(x_shape[3]) > 0, op,
        "kernel_size: expected at most the padded input, ",
        text({x_shape[2] + 2 * padding.first, x_shape[3] + 2 * padding.second}), ", got ", text(kernel));
  return window;
}

PoolWindows max_windows(const char* op, const int64_t* x_shape, IntPair kernel, IntPair stride,
                        IntPair padding, bool ceil_mode) {
  return sliding_windows(window_over(op, x_shape, kernel, stride, padding, ceil_mode), x_shape[2],
                         x_shape[3]);
}

PoolWindows equal_windows(const char* op, const int64_t* x_shape, IntPair output) {
  constexpr int64_t kMost = 1 << 24;  // so that the list of windows stays small
  check(std::min(output.first, output.second) >= 1 && std::max(output.first, output.second) <= kMost, op,
        "output_size: expected integers from 1 to 2^24, got ", text(output));
  check(std::min(x_shape[2], x_shape[3]) >= 1, op, "x: expected no zero dimension, got images of ",
        text({x_shape[2], x_shape[3]}));
  return {adaptive_windows(x_shape[2], output.first), adaptive_windows(x_shape[3], output.second)};
}

using Regions = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;

// One axis of windows (N, outputs, 2) that each image has for itself.
Windows windows_from(const char* op, const char* name, const Regions& regions, int64_t images, int64_t size) {
  check(regions.ndim() == 3 && regions.shape(0) == images && regions.shape(1) > 0 && regions.shape(2) == 2,
        op, name, ": expected shape (", images, ", outputs, 2), got ", ShapeText{regions});
  const int64_t outputs = regions.shape(1);
  if (images == 0) return Windows(outputs);  // nobody looks through them
  Windows windows(images * outputs);
  const int64_t* ends = regions.data();
  for (int64_t i = 0; i < windows.size(); ++i) {
    const int64_t begin = ends[2 * i], end = ends[2 * i + 1];
    const bool first = i % outputs == 0;
    check(begin >= 0 && begin < end && end <= size &&
              (first || (begin >= ends[2 * i - 2] && end >= ends[2 * i - 1])),
          op, name, ": expected 0 <= begin < end <= ", size, ", neither ever falling, got [", begin, ", ",
          end, ")");
    windows.set(i, begin, end);
  }
  return windows;
}

PoolWindows given_windows(const char* op, const int64_t* x_shape, const Regions& rows, const Regions& cols) {
  return {windows_from(op, "rows", rows, x_shape[0], x_shape[2]),
          windows_from(op, "cols", cols, x_shape[0], x_shape[3]), false};
}

// Windows, and those that count in the mean's division.
struct MeanWindows {
  PoolWindows windows, counted;
};

MeanWindows mean_windows(const char* op, const int64_t* x_shape, IntPair kernel, IntPair stride,
                         IntPair padding, bool ceil_mode, bool count_include_pad) {
  const Window2d window = window_over(op, x_shape, kernel, stride, padding, ceil_mode);
  const PoolWindows windows = sliding_windows(window, x_shape[2], x_shape[3]);
  return {windows, count_include_pad ? padded_windows(window, x_shape[2], x_shape[3]) : windows};
}

MeanWindows equal_mean_windows(const char* op, const int64_t* x_shape, IntPair output) {
  const PoolWindows windows = equal_windows(op, x_shape, output);
  return {windows, windows};
}

MeanWindows one_window(const char* op, const int64_t* x_shape) {
  return equal_mean_windows(op, x_shape, {1, 1});
}

// ---- the passes
// --------------------------------------------------------------------------------------------

template <class T>
ArrayArg<T> images_arg(const char* op, const char* name, py::handle object) {
  ArrayArg<T> x(op, name, object);
  x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").batched();
  return x;
}

IntPair outputs(const PoolWindows& windows, int64_t images) {
  const int64_t sets = windows.shared ? 1 : std::max<int64_t>(images, 1);
  return {windows.rows.size() / sets, windows.cols.size() / sets};
}

// The gradient, checked against the shape that forward gave.
template <class T>
ArrayArg<T> gradient_arg(const char* op, py::handle object, const Shape& x_shape, IntPair size) {
  ArrayArg<T> dy(op, "dy", object);
  dy.shaped({x_shape[0], x_shape[1], size.first, size.second});
  return dy;
}

template <class T>
py::tuple max_forward(const ArrayArg<T>& x, const PoolWindows& windows, IntPair size) {
  auto y = new_image<T>(x.dim(0), x.dim(1), size.first, size.second);
  const TensorView<T> out = view_of(y);
  py::array winner = no_array();
  Winners<T> winners{nullptr, nullptr};
  if (Winners<T>::fit_bytes(windows)) {
    auto bytes = new_image<uint8_t>(out.shape[0], out.shape[1], out.shape[2], out.shape[3]);
    winners.bytes = bytes.mutable_data();
    winner = bytes;
  } else {
    auto wide = new_image<T>(out.shape[0], out.shape[1], out.shape[2], out.shape[3]);
    winners.wide = wide.mutable_data();
    winner = wide;
  }
  run_kernel([&] { maxpool2d_forward<T>(x.view(), windows, out, winners); });
  return py::make_tuple(y, winner);
}

// `winner` comes from the forward call with the same arguments.
template <class T>
py::array max_backward(const char* op, const ArrayArg<T>& dy, const py::array& winner, const Shape& x_shape,
                       const PoolWindows& windows) {
  const bool bytes = Winners<T>::fit_bytes(windows);
  check(winner.itemsize() == (bytes ? 1 : static_cast<py::ssize_t>(sizeof(T))) &&
            winner.size() == dy.view().size(),
        op, "cache: expected the winners of the forward call, got shape ", ShapeText{winner});
  void* data = const_cast<void*>(winner.data());
  const Winners<T> winners{bytes ? static_cast<uint8_t*>(data) : nullptr,
                           bytes ? nullptr : static_cast<T*>(data)};
  auto dx = new_image<T>(x_shape[0], x_shape[1], x_shape[2], x_shape[3]);
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { maxpool2d_backward<T>(dy.view(), winners, windows, out); });
  return dx;
}

template <class T>
py::array mean_forward(const ArrayArg<T>& x, const MeanWindows& mean) {
  const IntPair size = outputs(mean.windows, x.dim(0));
  auto y = new_image<T>(x.dim(0), x.dim(1), size.first, size.second);
  const TensorView<T> out = view_of(y);
  run_kernel([&] { avgpool2d_forward<T>(x.view(), mean.windows, mean.counted, out); });
  return y;
}

template <class T>
py::array mean_backward(const ArrayArg<T>& dy, const Shape& x_shape, const MeanWindows& mean) {
  auto dx = new_image<T>(x_shape[0], x_shape[1], x_shape[2], x_shape[3]);
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { avgpool2d_backward<T>(dy.view(), mean.windows, mean.counted, out); });
  return dx;
}

// ---- pairs
// -------------------------------------------------------------------------------------------------

// Binds both passes of a maximum over windows(op, x_shape, settings...).
template <class... Settings, class... Names>
void def_max(py::module_& m, const char* forward, const char* backward,
             PoolWindows (*windows)(const char*, const int64_t*, Settings...), const Names&... names) {
  def(
      m, forward,
      [=](py::object x_obj, std::decay_t<Settings>... settings) {
        return with_dtype(forward, "x", x_obj, [&](auto zero) {
          const auto x = images_arg<decltype(zero)>(forward, "x", x_obj);
          const PoolWindows over = windows(forward, x.view().shape, settings...);
          return max_forward(x, over, outputs(over, x.dim(0)));
        });
      },
      py::arg("x"), names...);
  def(
      m, backward,
      [=](py::object dy_obj, py::array winner, Shape x_shape, std::decay_t<Settings>... settings) {
        return with_dtype(backward, "dy", dy_obj, [&](auto zero) {
          const PoolWindows over = windows(backward, x_shape.data(), settings...);
          const auto dy = gradient_arg<decltype(zero)>(backward, dy_obj, x_shape, outputs(over, x_shape[0]));
          return max_backward(backward, dy, winner, x_shape, over);
        });
      },
      py::arg("dy"), py::arg("winner"), py::arg("x_shape"), names...);
}

// Binds both passes of a mean over windows(op, x_shape, settings...).
template <class... Settings, class... Names>
void def_mean(py::module_& m, const char* forward, const char* backward,
              MeanWindows (*windows)(const char*, const int64_t*, Settings...), const Names&... names) {
  def(
      m, forward,
      [=](py::object x_obj, Settings... settings) {
        return with_dtype(forward, "x", x_obj, [&](auto zero) {
          const auto x = images_arg<decltype(zero)>(forward, "x", x_obj);
          return mean_forward(x, windows(forward, x.view().shape, settings...));
        });
      },
      py::arg("x"), names...);
  def(
      m, backward,
      [=](py::object dy_obj, Shape x_shape, Settings... settings) {
        return with_dtype(backward, "dy", dy_obj, [&](auto zero) {
          const MeanWindows mean = windows(backward, x_shape.data(), settings...);
          const auto dy =
              gradient_arg<decltype(zero)>(backward, dy_obj, x_shape, outputs(mean.windows, x_shape[0]));
          return mean_backward(dy, x_shape, mean);
        });
      },
      py::arg("dy"), py::arg("x_shape"), names...);
}

}  // namespace

void bind_pool(py::module_& m) {
  const py::arg kernel("kernel"), stride("stride"), padding("padding"), ceil_mode("ceil_mode");
  const py::arg output_size("output_size");
  def_max(m, "maxpool2d_forward", "maxpool2d_backward", max_windows, kernel, stride, padding, ceil_mode);
  def_max(m, "adaptive_maxpool2d_forward", "adaptive_maxpool2d_backward", equal_windows, output_size);
  def_max(m, "fractional_maxpool2d_forward", "fractional_maxpool2d_backward", given_windows, py::arg("rows"),
          py::arg("cols"));
  def_mean(m, "avgpool2d_forward", "avgpool2d_backward", mean_windows, kernel, stride, padding, ceil_mode,
           py::arg("count_include_pad"));
  def_mean(m, "adaptive_avgpool2d_forward", "adaptive_avgpool2d_backward", equal_mean_windows, output_size);
  def_mean(m, "global_avgpool2d_forward", "global_avgpool2d_backward", one_window);
}

}  // namespace fastnn::python
