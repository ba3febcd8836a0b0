// Passes of 1x1 filters at stride 1, together with those of the batch norms around them. Private to
// conv2d*.cc.
#pragma once

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

// Whether every pixel is multiplied by the same matrix, the filters.
bool pointwise_applies(const Conv2dSettings& settings);

// As conv2d_forward.
template <class T>
void pointwise_forward(const TensorView<const T>& x, const TensorView<const T>& w, const TensorView<T>& y,
                       const Epilogue<T>& epilogue, const BatchNorm<T>& input_norm);

// As conv2d_backward, the residual of dx as part of its epilogue.
template <class T>
void pointwise_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                        const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw, T* db,
                        const Epilogue<T>& epilogue, const NormReduction<T>* before,
                        const NormBackward<T>* behind, const BatchNorm<T>* input_norm);

}  // namespace fastnn
