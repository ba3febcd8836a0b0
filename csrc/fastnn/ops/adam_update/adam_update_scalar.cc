#include "fastnn/simd/scalar.h"

#include "fastnn/ops/adam_update/adam_update_kernel.inl.h"
