#include "fastnn/simd/avx2.h"

#include "fastnn/ops/batchnorm/batchnorm_kernel.inl.h"
