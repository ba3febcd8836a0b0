#include "fastnn/simd/avx2.h"

#include "fastnn/ops/sgd_update/sgd_update_kernel.inl.h"
