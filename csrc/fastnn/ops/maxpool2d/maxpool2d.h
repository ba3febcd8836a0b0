// maxpool2d: the maximum of every window.
//
//   forward    y[n,c,i,j] = max of x[n,c,h,w] over the rows h and columns w of window (i, j)
//              winner[n,c,i,j] = the place of that element in its window
//   backward   dx[n,c,h,w] = sum of dy over the windows that (h, w) won
//
// Places are counted from the first pixel of a window, in rows as long as the widest window. Of equal maxima
// the first in row-major order wins; NaN is greater than any number. Windows are cut off where the image
// ends, so that padding never wins. Shapes: x, dx (N, C, H, W), y, dy, winner (N, C, OH, OW). Inputs have any
// strides, and are converted once unless the channels of a pixel lie together; results are dense with
// channels last, and are overwritten. Backward gathers, so that every element of dx is one sum in a fixed
// order: results are the same bits for any number of threads. Thread-safe. T is float or double.
#pragma once

#include "fastnn/base/pool_windows.h"
#include "fastnn/base/tensor_view.h"

namespace fastnn {

// Places of winners, as bytes, or as T for windows of more than 256 pixels; the other one is null.
template <class T>
struct Winners {
  uint8_t* bytes;
  T* wide;

  static bool fit_bytes(const PoolWindows& windows) {
    return windows.rows.longest() * windows.cols.longest() <= 256;
  }
};

template <class T>
void maxpool2d_forward(const TensorView<const T>& x, const PoolWindows& windows, const TensorView<T>& y,
                       const Winners<T>& winners);

template <class T>
void maxpool2d_backward(const TensorView<const T>& dy, const Winners<T>& winners, const PoolWindows& windows,
                        const TensorView<T>& dx);

}  // namespace fastnn
