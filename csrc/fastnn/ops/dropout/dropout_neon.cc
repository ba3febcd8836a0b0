#include "fastnn/simd/neon.h"

#include "fastnn/ops/dropout/dropout_kernel.inl.h"
