#include "fastnn/simd/avx2.h"

#include "fastnn/ops/remap2d/remap2d_kernel.inl.h"
