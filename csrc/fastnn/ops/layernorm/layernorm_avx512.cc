#include "fastnn/simd/avx512.h"

#include "fastnn/ops/layernorm/layernorm_kernel.inl.h"
