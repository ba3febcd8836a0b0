#include "fastnn/simd/neon.h"

#include "fastnn/ops/conv2d/conv2d_kernel.inl.h"
