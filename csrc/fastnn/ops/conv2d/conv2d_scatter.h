// Direct convolution with few channels, backward to the input: each pixel of dy scatters along its row.
// Private to conv2d*.cc.
#pragma once

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

// Whether that takes fewer multiply-adds than gathering, by sums for each pixel of dx or, if `jointly`, for
// several pixels of a row together.
template <class T>
bool scatter_pays(const TensorView<const T>& dy, const TensorView<T>& dx, const Conv2dSettings& settings,
                  bool jointly);

// dx = sum of the definition + residual (rows of pixels, or without data), for one group.
template <class T>
void scatter_backward_data(const TensorView<const T>& dy, const TensorView<const T>& w,
                           const TensorView<T>& dx, const Conv2dSettings& settings,
                           const MatrixView<const T>& residual);

}  // namespace fastnn
