#include "fastnn/simd/neon.h"

#include "fastnn/ops/hinge/hinge_kernel.inl.h"
