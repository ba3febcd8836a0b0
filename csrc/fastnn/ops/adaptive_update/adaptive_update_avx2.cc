#include "fastnn/simd/avx2.h"

#include "fastnn/ops/adaptive_update/adaptive_update_kernel.inl.h"
