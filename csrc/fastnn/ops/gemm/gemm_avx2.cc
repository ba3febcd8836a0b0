#include "fastnn/ops/gemm/gemm_kernel.inl.h"
#include "fastnn/simd/avx2.h"
