#include "fastnn/simd/neon.h"

#include "fastnn/ops/batchnorm/batchnorm_kernel.inl.h"
