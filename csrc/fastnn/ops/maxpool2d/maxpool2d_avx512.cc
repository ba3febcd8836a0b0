#include "fastnn/simd/avx512.h"

#include "fastnn/ops/maxpool2d/maxpool2d_kernel.inl.h"
