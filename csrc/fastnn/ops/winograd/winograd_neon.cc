#include "fastnn/simd/neon.h"

#include "fastnn/ops/winograd/winograd_kernel.inl.h"
