#include "fastnn/simd/avx2.h"

#include "fastnn/ops/maxout/maxout_kernel.inl.h"
