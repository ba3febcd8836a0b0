#include "fastnn/ops/probe/probe.h"

#include "fastnn/ops/probe/probe_kernel.h"

namespace fastnn {

double probe_fma(int64_t steps) {
  const ProbeResult result = FASTNN_DISPATCH(probe_kernel)(steps);
  volatile float sink = result.value;
  (void)sink;
  return result.flops;
}

}  // namespace fastnn
