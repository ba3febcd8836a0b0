#include "fastnn/simd/avx512.h"

#include "fastnn/ops/pointwise_loss/pointwise_loss_kernel.inl.h"
