// probe: how fast this core can be just now, for benchmarks on machines whose neighbours come and go.
#pragma once

#include <cstdint>

namespace fastnn {

// Runs `steps` rounds of independent fused multiply-adds that fill the vector registers of the active ISA, on
// the calling thread, and returns how many floating-point operations that were (float32).
double probe_fma(int64_t steps);

}  // namespace fastnn
