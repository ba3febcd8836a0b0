// One row of the backward pass. See softmax_cross_entropy.h for the equation.
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
void cross_entropy_backward_row(const CrossEntropyRow<T>& s) {
  using V = Vec<T>;
  const V scale = V::set(s.scale);
  const T right = s.probs[s.label];  // before dscores, which may be the same memory
  for_each_register<V>(
      s.cols, [&](int64_t j, auto lanes) __attribute__((always_inline)) {
        store(load<V>(s.probs + j, lanes) * scale, s.dscores + j, lanes);
      });
  s.dscores[s.label] = (right - T(1)) * s.scale;
}

template void cross_entropy_backward_row(const CrossEntropyRow<float>&);
template void cross_entropy_backward_row(const CrossEntropyRow<double>&);

}  // namespace fastnn::FASTNN_ISA
