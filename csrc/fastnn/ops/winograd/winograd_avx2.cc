#include "fastnn/simd/avx2.h"

#include "fastnn/ops/winograd/winograd_kernel.inl.h"
