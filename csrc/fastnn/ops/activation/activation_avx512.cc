#include "fastnn/simd/avx512.h"

#include "fastnn/ops/activation/activation_kernel.inl.h"
