#include "fastnn/simd/scalar.h"

#include "fastnn/ops/batchnorm/batchnorm_kernel.inl.h"
