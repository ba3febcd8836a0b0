#include "fastnn/simd/scalar.h"

#include "fastnn/ops/conv2d/conv2d_kernel.inl.h"
