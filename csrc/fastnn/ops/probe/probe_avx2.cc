#include "fastnn/simd/avx2.h"

#include "fastnn/ops/probe/probe_kernel.inl.h"
