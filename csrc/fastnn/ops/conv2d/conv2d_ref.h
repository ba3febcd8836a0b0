// conv2d in plain loops: the truth that the kernels are compared with.
#pragma once

#include <algorithm>

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

template <class T>
T& conv2d_at(const TensorView<T>& t, int64_t a, int64_t b, int64_t c, int64_t d) {
  return t.data[a * t.stride[0] + b * t.stride[1] + c * t.stride[2] + d * t.stride[3]];
}

// Calls visit(y, x, w) for every term of the forward sum that lies inside the image, with references to the
// elements of the three arrays it joins; y and dy, x and dx, w and dw take the same places.
template <class TX, class TW, class TY, class Visit>
void conv2d_for_each_term(const TensorView<TX>& x, const TensorView<TW>& w, const TensorView<TY>& y,
                          const Conv2dSettings& settings, Visit visit) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  const int64_t filters_a_group = w.shape[0] / settings.groups;
  for (int64_t n = 0; n < y.shape[0]; ++n)
    for (int64_t f = 0; f < y.shape[1]; ++f)
      for (int64_t i = 0; i < y.shape[2]; ++i)
        for (int64_t j = 0; j < y.shape[3]; ++j)
          for (int64_t c = 0; c < w.shape[1]; ++c)
            for (int64_t kh = 0; kh < h.kernel; ++kh)
              for (int64_t kw = 0; kw < v.kernel; ++kw) {
                const int64_t p = i * h.stride - h.padding + kh * h.dilation;
                const int64_t q = j * v.stride - v.padding + kw * v.dilation;
                if (p < 0 || p >= x.shape[2] || q < 0 || q >= x.shape[3]) continue;
                const int64_t channel = f / filters_a_group * w.shape[1] + c;
                visit(conv2d_at(y, n, f, i, j), conv2d_at(x, n, channel, p, q), conv2d_at(w, f, c, kh, kw));
              }
}

// y = the sum without prologue and epilogue. Exact where T holds every partial sum.
template <class T>
void conv2d_forward_ref(TensorView<const T> x, TensorView<const T> w, TensorView<T> y,
                        const Conv2dSettings& settings) {
  std::fill_n(y.data, y.size(), T(0));
  conv2d_for_each_term(x, w, y, settings,
                       [](T& out, const T& pixel, const T& weight) { out += pixel * weight; });
}

template <class T>
void conv2d_backward_ref(TensorView<const T> dy, TensorView<const T> x, TensorView<const T> w,
                         TensorView<T> dx, TensorView<T> dw, T* db, const Conv2dSettings& settings) {
  std::fill_n(dx.data, dx.size(), T(0));
  std::fill_n(dw.data, dw.size(), T(0));
  conv2d_for_each_term(dx, w, dy, settings, [](const T& g, T& out, const T& weight) { out += g * weight; });
  conv2d_for_each_term(x, dw, dy, settings, [](const T& g, const T& pixel, T& out) { out += g * pixel; });
  for (int64_t f = 0; f < dy.shape[1]; ++f) {
    db[f] = 0;
    for (int64_t n = 0; n < dy.shape[0]; ++n)
      for (int64_t i = 0; i < dy.shape[2]; ++i)
        for (int64_t j = 0; j < dy.shape[3]; ++j) db[f] += conv2d_at(dy, n, f, i, j);
  }
}

}  // namespace fastnn
