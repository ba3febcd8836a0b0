#include "fastnn/simd/avx512.h"

#include "fastnn/ops/hinge/hinge_kernel.inl.h"
