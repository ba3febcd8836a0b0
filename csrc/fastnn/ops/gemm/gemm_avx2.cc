#include "fastnn/simd/avx2.h"

#include "fastnn/ops/gemm/gemm_kernel.inl.h"
