#include "fastnn/ops/conv_transpose2d/conv_transpose2d.h"

#include "fastnn/base/pixel_rows.h"

namespace fastnn {

template <class T>
void conv_transpose2d_forward(const TensorView<const T>& x, const TensorView<const T>& w, const T* b,
                              const TensorView<T>& y, const Conv2dSettings& settings) {
  // One row of numbers for all pixels is a residual whose pixels are no step apart.
  const TensorView<const T> bias{b, 4, {y.shape[0], y.shape[1], y.shape[2], y.shape[3]}, {0, 1, 0, 0}};
  const TensorView<const T> shape{nullptr, 4, {y.shape[0], y.shape[1], y.shape[2], y.shape[3]}, {}};
  conv2d_backward<T>(x, shape, w, y, {}, nullptr, settings, b ? bias : TensorView<const T>{});
}

template <class T>
void conv_transpose2d_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                               const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw,
                               T* db, const Conv2dSettings& settings) {
  if (dx.data) conv2d_forward<T>(dy, w, dx, settings);
  if (dw.data) conv2d_backward<T>(x, dy, w, {}, dw, nullptr, settings);
  if (db) column_sums<T>(PixelRows<T>(dy).matrix(), db);
}

#define FASTNN_X(T)                                                                                        \
  template void conv_transpose2d_forward(const TensorView<const T>&, const TensorView<const T>&, const T*, \
                                         const TensorView<T>&, const Conv2dSettings&);                     \
  template void conv_transpose2d_backward(const TensorView<const T>&, const TensorView<const T>&,          \
                                          const TensorView<const T>&, const TensorView<T>&,                \
                                          const TensorView<T>&, T*, const Conv2dSettings&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
