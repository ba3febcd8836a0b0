#include "fastnn/ops/gemm/gemm_kernel.inl.h"
#include "fastnn/simd/neon.h"
