#include "fastnn/simd/avx512.h"

#include "fastnn/ops/probe/probe_kernel.inl.h"
