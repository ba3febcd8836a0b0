#include "fastnn/simd/scalar.h"

#include "fastnn/ops/activation/activation_kernel.inl.h"
