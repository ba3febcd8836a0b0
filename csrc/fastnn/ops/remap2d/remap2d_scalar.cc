#include "fastnn/simd/scalar.h"

#include "fastnn/ops/remap2d/remap2d_kernel.inl.h"
