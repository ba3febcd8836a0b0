#include "fastnn/simd/avx512.h"

#include "fastnn/ops/gaussian_noise/gaussian_noise_kernel.inl.h"
