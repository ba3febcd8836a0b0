#include "fastnn/simd/neon.h"

#include "fastnn/ops/sgd_update/sgd_update_kernel.inl.h"
