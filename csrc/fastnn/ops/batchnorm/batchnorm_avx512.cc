#include "fastnn/simd/avx512.h"

#include "fastnn/ops/batchnorm/batchnorm_kernel.inl.h"
