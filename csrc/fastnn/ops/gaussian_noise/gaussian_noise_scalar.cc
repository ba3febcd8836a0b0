#include "fastnn/simd/scalar.h"

#include "fastnn/ops/gaussian_noise/gaussian_noise_kernel.inl.h"
