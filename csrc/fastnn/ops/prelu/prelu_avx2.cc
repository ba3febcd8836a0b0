#include "fastnn/simd/avx2.h"

#include "fastnn/ops/prelu/prelu_kernel.inl.h"
