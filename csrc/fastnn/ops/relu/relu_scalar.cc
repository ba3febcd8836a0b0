#include "fastnn/simd/scalar.h"

#include "fastnn/ops/relu/relu_kernel.inl.h"
