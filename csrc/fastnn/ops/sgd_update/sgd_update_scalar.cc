#include "fastnn/simd/scalar.h"

#include "fastnn/ops/sgd_update/sgd_update_kernel.inl.h"
