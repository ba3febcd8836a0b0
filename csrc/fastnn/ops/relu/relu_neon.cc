#include "fastnn/simd/neon.h"

#include "fastnn/ops/relu/relu_kernel.inl.h"
