#include "fastnn/simd/avx512.h"

#include "fastnn/ops/adam_update/adam_update_kernel.inl.h"
