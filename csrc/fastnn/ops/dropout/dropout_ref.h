// dropout in plain loops: the truth.
#pragma once

#include "fastnn/base/philox_ref.h"
#include "fastnn/ops/dropout/dropout.h"

namespace fastnn {

// The uniform of element e of an example: half a word.
inline uint32_t dropout_uniform_ref(uint64_t bits, uint64_t example, uint64_t e) {
  return philox_word_ref(bits, example, e / 8, static_cast<int>(e % 8 / 2)) >> 16 * (e % 2) & 0xFFFF;
}

// Examples of `size` elements, each in the order of its numbers; group(e) is the number of the uniform that
// decides about element e.
template <class T, class Group>
void dropout_ref(int64_t examples, int64_t size, const T* x, const DropoutStream& stream, T scale, T* y,
                 Group group) {
  for (int64_t n = 0; n < examples; ++n) {
    for (int64_t e = 0; e < size; ++e) {
      const uint64_t example = stream.example + static_cast<uint64_t>(n);
      const uint32_t u = dropout_uniform_ref(stream.bits, example, static_cast<uint64_t>(group(e)));
      y[n * size + e] = static_cast<int>(u) >= stream.threshold ? x[n * size + e] * scale : T(0);
    }
  }
}

}  // namespace fastnn
