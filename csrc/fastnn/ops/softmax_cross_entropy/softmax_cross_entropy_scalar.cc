#include "fastnn/simd/scalar.h"

#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.inl.h"
