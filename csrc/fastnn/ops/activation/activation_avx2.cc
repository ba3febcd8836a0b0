#include "fastnn/simd/avx2.h"

#include "fastnn/ops/activation/activation_kernel.inl.h"
