#include "fastnn/simd/avx2.h"

#include "fastnn/ops/relu/relu_kernel.inl.h"
