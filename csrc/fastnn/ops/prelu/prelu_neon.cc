#include "fastnn/simd/neon.h"

#include "fastnn/ops/prelu/prelu_kernel.inl.h"
