#include "fastnn/simd/scalar.h"

#include "fastnn/ops/probe/probe_kernel.inl.h"
