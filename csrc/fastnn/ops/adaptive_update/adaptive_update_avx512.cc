#include "fastnn/simd/avx512.h"

#include "fastnn/ops/adaptive_update/adaptive_update_kernel.inl.h"
