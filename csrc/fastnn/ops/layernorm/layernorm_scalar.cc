#include "fastnn/simd/scalar.h"

#include "fastnn/ops/layernorm/layernorm_kernel.inl.h"
