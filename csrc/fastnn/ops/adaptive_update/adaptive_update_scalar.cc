#include "fastnn/simd/scalar.h"

#include "fastnn/ops/adaptive_update/adaptive_update_kernel.inl.h"
