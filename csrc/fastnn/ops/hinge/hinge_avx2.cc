#include "fastnn/simd/avx2.h"

#include "fastnn/ops/hinge/hinge_kernel.inl.h"
