#include "fastnn/simd/scalar.h"

#include "fastnn/ops/maxout/maxout_kernel.inl.h"
