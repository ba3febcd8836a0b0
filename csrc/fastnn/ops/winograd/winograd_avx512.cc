#include "fastnn/simd/avx512.h"

#include "fastnn/ops/winograd/winograd_kernel.inl.h"
