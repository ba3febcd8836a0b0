#include "fastnn/simd/neon.h"

#include "fastnn/ops/maxout/maxout_kernel.inl.h"
