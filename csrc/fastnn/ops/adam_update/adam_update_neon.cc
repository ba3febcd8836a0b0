#include "fastnn/simd/neon.h"

#include "fastnn/ops/adam_update/adam_update_kernel.inl.h"
