#include "fastnn/simd/avx512.h"

#include "fastnn/ops/maxout/maxout_kernel.inl.h"
