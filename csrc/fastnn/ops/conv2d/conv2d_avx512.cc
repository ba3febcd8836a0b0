#include "fastnn/simd/avx512.h"

#include "fastnn/ops/conv2d/conv2d_kernel.inl.h"
