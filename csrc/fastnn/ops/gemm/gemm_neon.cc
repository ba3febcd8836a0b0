#include "fastnn/simd/neon.h"

#include "fastnn/ops/gemm/gemm_kernel.inl.h"
