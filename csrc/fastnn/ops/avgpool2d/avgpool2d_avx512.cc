#include "fastnn/simd/avx512.h"

#include "fastnn/ops/avgpool2d/avgpool2d_kernel.inl.h"
