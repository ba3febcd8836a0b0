#include "fastnn/simd/avx2.h"

#include "fastnn/ops/maxpool2d/maxpool2d_kernel.inl.h"
