#include "fastnn/simd/scalar.h"

#include "fastnn/ops/winograd/winograd_kernel.inl.h"
