// The functions of simd/math.h over arrays, in every instruction set.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

FASTNN_DECLARE_KERNEL(template <class T> void exp_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void log_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void expm1_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void log1p_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void tanh_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void sigmoid_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void normal_cdf_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void gelu_of(const T* x, T* y, int64_t count))
FASTNN_DECLARE_KERNEL(template <class T> void gelu_tanh_of(const T* x, T* y, int64_t count))

}  // namespace fastnn
