#include "fastnn/simd/neon.h"

#include "fastnn/ops/activation/activation_kernel.inl.h"
