#include "fastnn/simd/avx2.h"

#include "fastnn/ops/layernorm/layernorm_kernel.inl.h"
