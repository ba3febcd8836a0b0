#include "fastnn/simd/neon.h"

#include "fastnn/ops/adaptive_update/adaptive_update_kernel.inl.h"
