#include "fastnn/simd/avx2.h"

#include "fastnn/ops/dropout/dropout_kernel.inl.h"
