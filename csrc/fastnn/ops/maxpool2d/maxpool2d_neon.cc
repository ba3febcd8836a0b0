#include "fastnn/simd/neon.h"

#include "fastnn/ops/maxpool2d/maxpool2d_kernel.inl.h"
