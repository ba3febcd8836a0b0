#include "fastnn/simd/scalar.h"

#include "fastnn/ops/avgpool2d/avgpool2d_kernel.inl.h"
