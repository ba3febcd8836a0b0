// remap2d: images whose pixels are those of other images, moved: padding and upsampling.
//
//   forward    y[n,c,i,j] = x[n,c, rows[i], cols[j]], or 0 where one of the two is -1
//   backward   dx[n,c,h,w] = sum of dy[n,c,i,j] over all i with rows[i] == h and j with cols[j] == w
//
// Shapes: x, dx (N, C, H, W), y, dy (N, C, OH, OW). Inputs have any strides, and are converted once unless
// the channels of a pixel lie together; results are dense with channels last, and are overwritten. Backward
// gathers, so that every element of dx is one sum in a fixed order: results are the same bits for any number
// of threads. Thread-safe. T is float or double.
#pragma once

#include <cstdint>
#include <vector>

#include "fastnn/base/tensor_view.h"

namespace fastnn {

// The input position of every output position along an axis, or -1.
using Sources = std::vector<int32_t>;

struct Remap2d {
  Sources rows, cols;
};

// `before` and `after` positions without a source round the image.
Sources zero_padded(int64_t size, int64_t before, int64_t after);
// The image goes on mirrored in its outermost pixels; both margins are less than `size`.
Sources reflected(int64_t size, int64_t before, int64_t after);
// Every position `times` times.
Sources repeated(int64_t size, int64_t times);

template <class T>
void remap2d_forward(const TensorView<const T>& x, const Remap2d& map, const TensorView<T>& y);

template <class T>
void remap2d_backward(const TensorView<const T>& dy, const Remap2d& map, const TensorView<T>& dx);

}  // namespace fastnn
