#include "fastnn/simd/avx512.h"

#include "fastnn/ops/relu/relu_kernel.inl.h"
