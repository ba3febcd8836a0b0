#include "fastnn/simd/scalar.h"

#include "fastnn/ops/hinge/hinge_kernel.inl.h"
