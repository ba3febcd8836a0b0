#include "fastnn/simd/scalar.h"

#include "fastnn/ops/prelu/prelu_kernel.inl.h"
