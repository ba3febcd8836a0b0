#include "fastnn/simd/scalar.h"

#include "fastnn/ops/maxpool2d/maxpool2d_kernel.inl.h"
