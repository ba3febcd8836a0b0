#include "fastnn/simd/neon.h"

#include "fastnn/ops/softmax/softmax_kernel.inl.h"
