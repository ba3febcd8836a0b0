#include "fastnn/simd/neon.h"

#include "fastnn/ops/avgpool2d/avgpool2d_kernel.inl.h"
