#include "fastnn/simd/neon.h"

#include "fastnn/ops/probe/probe_kernel.inl.h"
