// Convolution of groups too small for tiles of filters: depthwise above all. Private to conv2d*.cc.
#pragma once

#include "fastnn/ops/conv2d/conv2d.h"

namespace fastnn {

// Whether the passes of filters w (F, C/groups, KH, KW) go this way.
template <class T>
bool depthwise_applies(const TensorView<const T>& w, int64_t groups);

// Whether each of these filters has a channel to itself, so that their passes can apply the norm before.
template <class T>
bool depthwise_takes_input_norm(const TensorView<const T>& w, int64_t groups);

// Whether depthwise_backward can take the norm behind along: enough images, of which each fits into caches.
template <class T>
bool depthwise_takes_norm(const TensorView<const T>& x, const TensorView<const T>& w,
                          const Conv2dSettings& settings);

// The passes as in conv2d.h, the residual of dx as part of its epilogue; norms may be null, and so may
// `kept`.
template <class T>
void depthwise_forward(const TensorView<const T>& x, const TensorView<const T>& w, const TensorView<T>& y,
                       const Conv2dSettings& settings, const Prologue<T>& prologue,
                       const Epilogue<T>& epilogue, Kept* kept, const BatchNorm<T>* input_norm);

template <class T>
void depthwise_backward(const TensorView<const T>& dy, const TensorView<const T>& x,
                        const TensorView<const T>& w, const TensorView<T>& dx, const TensorView<T>& dw, T* db,
                        const Conv2dSettings& settings, const Epilogue<T>& epilogue,
                        const NormReduction<T>* before, const NormBackward<T>* behind,
                        const BatchNorm<T>* input_norm);

}  // namespace fastnn
