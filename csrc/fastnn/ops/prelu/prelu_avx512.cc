#include "fastnn/simd/avx512.h"

#include "fastnn/ops/prelu/prelu_kernel.inl.h"
