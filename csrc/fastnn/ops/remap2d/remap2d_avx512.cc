#include "fastnn/simd/avx512.h"

#include "fastnn/ops/remap2d/remap2d_kernel.inl.h"
