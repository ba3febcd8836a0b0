// maxpool2d: the maximum of every window.
//
//   forward    y[n,c,i,j] = max over (kh, kw) of x[n,c, i*stride - padding + kh, j*stride - padding + kw]
//              winner[n,c,i,j] = kh * KW + kw of that element
//   backward   dx[n,c,h,w] = sum of dy over the windows that (h, w) won
//
// Positions in the padding never win; of equal maxima the first in row-major order wins; NaN is greater than
// any number. Shapes: x, dx (N, C, H, W), y, dy, winner (N, C, OH, OW). Inputs have any strides, and are
// converted once unless the channels of a pixel lie together; results are dense with channels last, and are
// overwritten. Backward gathers, so that every element of dx is one sum in a fixed order: results are the
// same bits for any number of threads. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/tensor_view.h"
#include "fastnn/base/window.h"

namespace fastnn {

// Cells of the windows that won, as bytes, or as T for windows of more than 256 cells; the other one is null.
template <class T>
struct Winners {
  uint8_t* bytes;
  T* wide;

  static bool fit_bytes(const Window2d& window) { return window.h.kernel * window.w.kernel <= 256; }
};

template <class T>
void maxpool2d_forward(const TensorView<const T>& x, const Window2d& window, const TensorView<T>& y,
                       const Winners<T>& winners);

template <class T>
void maxpool2d_backward(const TensorView<const T>& dy, const Winners<T>& winners, const Window2d& window,
                        const TensorView<T>& dx);

}  // namespace fastnn
