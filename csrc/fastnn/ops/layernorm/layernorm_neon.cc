#include "fastnn/simd/neon.h"

#include "fastnn/ops/layernorm/layernorm_kernel.inl.h"
