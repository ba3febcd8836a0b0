#include "fastnn/simd/avx2.h"

#include "fastnn/ops/softmax/softmax_kernel.inl.h"
