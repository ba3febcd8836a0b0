#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

struct ProbeResult {
  double flops;
  float value;  // keeps the work from being optimised away
};

FASTNN_DECLARE_KERNEL(ProbeResult probe_kernel(int64_t steps))

}  // namespace fastnn
