#include "fastnn/simd/avx2.h"

#include "fastnn/ops/gaussian_noise/gaussian_noise_kernel.inl.h"
