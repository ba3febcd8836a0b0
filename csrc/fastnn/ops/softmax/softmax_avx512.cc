#include "fastnn/simd/avx512.h"

#include "fastnn/ops/softmax/softmax_kernel.inl.h"
