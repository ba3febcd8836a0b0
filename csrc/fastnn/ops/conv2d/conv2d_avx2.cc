#include "fastnn/simd/avx2.h"

#include "fastnn/ops/conv2d/conv2d_kernel.inl.h"
