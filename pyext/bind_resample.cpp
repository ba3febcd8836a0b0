#include "array_arg.h"
#include "fastnn/ops/remap2d/remap2d.h"

namespace fastnn::python {
namespace {

using IntPair = std::pair<int64_t, int64_t>;
using Shape = std::array<int64_t, 4>;
using Margins = std::array<int64_t, 4>;  // left, right, top, bottom, as PyTorch has them

constexpr int64_t kMostPixels = 1 << 24;  // along an axis, so that the list of their sources stays small

// Where the pixels of images of a shape go, checked.

Remap2d padded(const char* op, const int64_t* x_shape, Margins margins, const std::string& mode) {
  const int64_t height = x_shape[2], width = x_shape[3];
  const auto [left, right, top, bottom] = margins;
  const bool zeros = mode == "zeros";
  check(zeros || mode == "reflect", op, "mode: expected \"zeros\" or \"reflect\", got '", mode, "'");
  const int64_t most_h = zeros ? kMostPixels : height - 1, most_w = zeros ? kMostPixels : width - 1;
  check(std::min({left, right, top, bottom}) >= 0 && std::max(left, right) <= most_w &&
            std::max(top, bottom) <= most_h,
        op, "padding: expected integers from 0 to ", most_w, " left and right, ", most_h,
        " top and bottom, got (", left, ", ", right, ", ", top, ", ", bottom, ")");
  const auto along = zeros ? zero_padded : reflected;
  return {along(height, top, bottom), along(width, left, right)};
}

Remap2d enlarged(const char* op, const int64_t* x_shape, IntPair scale) {
  check(std::min(scale.first, scale.second) >= 1 && scale.first <= kMostPixels / x_shape[2] &&
            scale.second <= kMostPixels / x_shape[3],
        op, "scale_factor: expected integers >= 1 that make at most 2^24 rows and columns, got (",
        scale.first, ", ", scale.second, ")");
  return {repeated(x_shape[2], scale.first), repeated(x_shape[3], scale.second)};
}

template <class T>
py::array forward_as(const ArrayArg<T>& x, const Remap2d& map) {
  auto y = new_image<T>(x.dim(0), x.dim(1), static_cast<int64_t>(map.rows.size()),
                        static_cast<int64_t>(map.cols.size()));
  const TensorView<T> out = view_of(y);
  run_kernel([&] { remap2d_forward<T>(x.view(), map, out); });
  return y;
}

template <class T>
py::array backward_as(const char* op, py::handle dy_obj, const Shape& x_shape, const Remap2d& map) {
  const ArrayArg<T> dy(op, "dy", dy_obj);
  const int64_t oh = static_cast<int64_t>(map.rows.size()), ow = static_cast<int64_t>(map.cols.size());
  dy.shaped({x_shape[0], x_shape[1], oh, ow});
  auto dx = new_image<T>(x_shape[0], x_shape[1], x_shape[2], x_shape[3]);
  const TensorView<T> out = view_of(dx);
  run_kernel([&] { remap2d_backward<T>(dy.view(), map, out); });
  return dx;
}

// Binds both passes of map(op, x_shape, settings...).
template <class... Settings, class... Names>
void def_pair(py::module_& m, const char* forward, const char* backward,
              Remap2d (*map)(const char*, const int64_t*, Settings...), const Names&... names) {
  def(
      m, forward,
      [=](py::object x_obj, std::decay_t<Settings>... settings) {
        return with_dtype(forward, "x", x_obj, [&](auto zero) {
          const ArrayArg<decltype(zero)> x(forward, "x", x_obj);
          x.shaped({-1, -1, -1, -1}, "(N, C, H, W)").batched();
          return forward_as(x, map(forward, x.view().shape, settings...));
        });
      },
      py::arg("x"), names...);
  def(
      m, backward,
      [=](py::object dy_obj, Shape x_shape, std::decay_t<Settings>... settings) {
        check(*std::min_element(x_shape.begin() + 1, x_shape.end()) >= 1, backward,
              "cache: expected that of the forward call, got one of empty images");
        return with_dtype(backward, "dy", dy_obj, [&](auto zero) {
          return backward_as<decltype(zero)>(backward, dy_obj, x_shape,
                                             map(backward, x_shape.data(), settings...));
        });
      },
      py::arg("dy"), py::arg("x_shape"), names...);
}

}  // namespace

void bind_resample(py::module_& m) {
  def_pair(m, "pad2d_forward", "pad2d_backward", padded, py::arg("padding"), py::arg("mode"));
  def_pair(m, "upsample2d_forward", "upsample2d_backward", enlarged, py::arg("scale_factor"));
}

}  // namespace fastnn::python
