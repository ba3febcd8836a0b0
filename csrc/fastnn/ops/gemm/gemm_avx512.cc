#include "fastnn/simd/avx512.h"

#include "fastnn/ops/gemm/gemm_kernel.inl.h"
