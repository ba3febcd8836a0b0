#include "fastnn/simd/scalar.h"

#include "fastnn/ops/softmax/softmax_kernel.inl.h"
