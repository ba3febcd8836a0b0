#include "fastnn/simd/avx512.h"

#include "fastnn/ops/sgd_update/sgd_update_kernel.inl.h"
