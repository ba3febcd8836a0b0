// conv_transpose2d in plain loops: the truth. x and y take the places of conv2d's y and x.
#pragma once

#include <algorithm>

#include "fastnn/ops/conv2d/conv2d_ref.h"
#include "fastnn/ops/conv_transpose2d/conv_transpose2d.h"

namespace fastnn {

template <class T>
void conv_transpose2d_forward_ref(const TensorView<const T>& x, const TensorView<const T>& w, const T* b,
                                  const TensorView<T>& y, const Conv2dSettings& settings) {
  for (int64_t n = 0; n < y.shape[0]; ++n)
    for (int64_t f = 0; f < y.shape[1]; ++f)
      for (int64_t p = 0; p < y.shape[2]; ++p)
        for (int64_t q = 0; q < y.shape[3]; ++q) conv2d_at(y, n, f, p, q) = b[f];
  conv2d_for_each_term(y, w, x, settings, [](const T& in, T& out, const T& weight) { out += in * weight; });
}

template <class T>
void conv_transpose2d_backward_ref(const TensorView<const T>& dy, const TensorView<const T>& x,
                                   const TensorView<const T>& w, const TensorView<T>& dx,
                                   const TensorView<T>& dw, T* db, const Conv2dSettings& settings) {
  std::fill_n(dx.data, dx.size(), T(0));
  std::fill_n(dw.data, dw.size(), T(0));
  std::fill_n(db, dy.shape[1], T(0));
  conv2d_for_each_term(dy, w, dx, settings, [](T& out, const T& g, const T& weight) { out += g * weight; });
  conv2d_for_each_term(dy, dw, x, settings, [](const T& in, const T& g, T& out) { out += g * in; });
  for (int64_t n = 0; n < dy.shape[0]; ++n)
    for (int64_t f = 0; f < dy.shape[1]; ++f)
      for (int64_t p = 0; p < dy.shape[2]; ++p)
        for (int64_t q = 0; q < dy.shape[3]; ++q) db[f] += conv2d_at(dy, n, f, p, q);
}

}  // namespace fastnn
