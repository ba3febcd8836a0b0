#include "fastnn/ops/probe/probe_kernel.h"

namespace fastnn::FASTNN_ISA {

ProbeResult probe_kernel(int64_t steps) {
  using V = Vec<float>;
  constexpr int kChains = V::registers - 4;  // more than latency times issue width
  V acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = V::set(float(i));
  const V scale = V::set(0.5f), shift = V::set(1.0f);  // converges to 2: no overflow, no denormals
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], scale, shift);
  }
  float value = 0;
  for (int i = 0; i < kChains; ++i) value += sum(acc[i]);
  return {2.0 * kChains * V::lanes * double(steps), value};
}

}  // namespace fastnn::FASTNN_ISA
