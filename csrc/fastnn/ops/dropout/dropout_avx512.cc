#include "fastnn/simd/avx512.h"

#include "fastnn/ops/dropout/dropout_kernel.inl.h"
