#include "fastnn/simd/neon.h"

#include "fastnn/ops/pointwise_loss/pointwise_loss_kernel.inl.h"
