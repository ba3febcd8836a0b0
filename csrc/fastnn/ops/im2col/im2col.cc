#include "fastnn/ops/im2col/im2col.h"

#include "fastnn/base/parallel.h"

namespace fastnn {
namespace {

// One channel of one image, and its columns: sizes and strides.
struct Plane {
  int64_t height, width, row_stride, col_stride;  // of the image
  int64_t tap_stride, place_stride;               // of the columns
};

// Calls fn(inside, pixel, column) for every pair that im2col joins: their memory offsets, and whether the
// pixel is not in the padding.
template <class Fn>
void for_each_pair(const Plane& plane, const Window2d& window, Fn&& fn) {
  const int64_t oh = window.h.outputs(plane.height), ow = window.w.outputs(plane.width);
  for (int64_t kh = 0; kh < window.h.kernel; ++kh) {
    for (int64_t kw = 0; kw < window.w.kernel; ++kw) {
      const int64_t tap = (kh * window.w.kernel + kw) * plane.tap_stride;
      for (int64_t i = 0; i < oh; ++i) {
        const int64_t row = i * window.h.stride + kh * window.h.dilation - window.h.padding;
        const bool row_inside = row >= 0 && row < plane.height;
        for (int64_t j = 0; j < ow; ++j) {
          const int64_t col = j * window.w.stride + kw * window.w.dilation - window.w.padding;
          const bool inside = row_inside && col >= 0 && col < plane.width;
          fn(inside, row * plane.row_stride + col * plane.col_stride,
             tap + (i * ow + j) * plane.place_stride);
        }
      }
    }
  }
}

template <class Image, class Cols>
Plane plane_of(const Image& image, const Cols& cols) {
  return {image.shape[2], image.shape[3], image.stride[2], image.stride[3], cols.stride[1], cols.stride[2]};
}

template <class Cols>
double work_ns(const Cols& cols) {
  return static_cast<double>(cols.size());  // about a nanosecond an element
}

}  // namespace

template <class T>
void im2col(TensorView<const T> x, const Window2d& window, TensorView<T> cols) {
  const int64_t channels = x.shape[1], taps = window.h.kernel * window.w.kernel;
  const Plane plane = plane_of(x, cols);
  parallel_for(x.shape[0] * channels, work_ns(cols), [&](int64_t chunk) {
    const int64_t n = chunk / channels, c = chunk % channels;
    const T* image = x.data + n * x.stride[0] + c * x.stride[1];
    T* out = cols.data + n * cols.stride[0] + c * taps * cols.stride[1];
    for_each_pair(plane, window, [&](bool inside, int64_t pixel, int64_t column) {
      out[column] = inside ? image[pixel] : T(0);
    });
  });
}

template <class T>
void col2im(TensorView<const T> cols, const Window2d& window, TensorView<T> dx) {
  const int64_t channels = dx.shape[1], taps = window.h.kernel * window.w.kernel;
  const Plane plane = plane_of(dx, cols);
  parallel_for(dx.shape[0] * channels, work_ns(cols), [&](int64_t chunk) {
    const int64_t n = chunk / channels, c = chunk % channels;
    const T* in = cols.data + n * cols.stride[0] + c * taps * cols.stride[1];
    T* image = dx.data + n * dx.stride[0] + c * dx.stride[1];
    for (int64_t i = 0; i < plane.height; ++i) {
      for (int64_t j = 0; j < plane.width; ++j) image[i * plane.row_stride + j * plane.col_stride] = T(0);
    }
    for_each_pair(plane, window, [&](bool inside, int64_t pixel, int64_t column) {
      if (inside) image[pixel] += in[column];
    });
  });
}

template void im2col(TensorView<const float>, const Window2d&, TensorView<float>);
template void im2col(TensorView<const double>, const Window2d&, TensorView<double>);
template void col2im(TensorView<const float>, const Window2d&, TensorView<float>);
template void col2im(TensorView<const double>, const Window2d&, TensorView<double>);

}  // namespace fastnn
