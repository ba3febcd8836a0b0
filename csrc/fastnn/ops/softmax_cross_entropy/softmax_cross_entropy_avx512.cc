#include "fastnn/simd/avx512.h"

#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.inl.h"
