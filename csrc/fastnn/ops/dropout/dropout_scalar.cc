#include "fastnn/simd/scalar.h"

#include "fastnn/ops/dropout/dropout_kernel.inl.h"
