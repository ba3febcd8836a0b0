// avgpool2d: the mean of every window. A window as large as the image gives global average pooling.
//
//   forward    y[n,c,i,j] = 1/cells(i,j) * sum of x[n,c,h,w] over the rows h and columns w of window (i, j)
//   backward   dx[n,c,h,w] = sum of dy / cells over the windows that cover (h, w)
//
// cells(i,j) is the size of window (i, j) of `counted`: that of `windows` itself, or larger where zeros round
// the image count. Shapes, strides and threads as in maxpool2d.h.
#pragma once

#include "fastnn/base/pool_windows.h"
#include "fastnn/base/tensor_view.h"

namespace fastnn {

// Sliding windows as a mean counts them: with the cells in the padding, but not those further out.
inline PoolWindows padded_windows(const Window2d& window, int64_t height, int64_t width) {
  return {sliding_windows(window.h, height, window.h.padding),
          sliding_windows(window.w, width, window.w.padding)};
}

template <class T>
void avgpool2d_forward(const TensorView<const T>& x, const PoolWindows& windows, const PoolWindows& counted,
                       const TensorView<T>& y);

template <class T>
void avgpool2d_backward(const TensorView<const T>& dy, const PoolWindows& windows, const PoolWindows& counted,
                        const TensorView<T>& dx);

}  // namespace fastnn
