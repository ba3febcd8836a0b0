#include "fastnn/simd/scalar.h"

#include "fastnn/ops/gemm/gemm_kernel.inl.h"
