// dropout in plain loops: the truth.
#pragma once

#include "fastnn/ops/dropout/dropout.h"

namespace fastnn {

// The uniform of element e of an example.
inline uint32_t dropout_uniform_ref(uint64_t bits, uint64_t example, uint64_t e) {
  const uint64_t block = e / 8;
  uint32_t c[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                   static_cast<uint32_t>(example), static_cast<uint32_t>(example >> 32)};
  uint32_t k0 = static_cast<uint32_t>(bits), k1 = static_cast<uint32_t>(bits >> 32);
  for (int round = 0; round < 7; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
                              static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c[e % 8 / 2] >> 16 * (e % 2) & 0xFFFF;
}

// Examples of `size` elements, each in the order of its uniforms.
template <class T>
void dropout_ref(int64_t examples, int64_t size, const T* x, const DropoutStream& stream, T scale, T* y) {
  for (int64_t n = 0; n < examples; ++n) {
    for (int64_t e = 0; e < size; ++e) {
      const uint64_t example = stream.example + static_cast<uint64_t>(n);
      const uint32_t u = dropout_uniform_ref(stream.bits, example, static_cast<uint64_t>(e));
      y[n * size + e] = static_cast<int>(u) >= stream.threshold ? x[n * size + e] * scale : T(0);
    }
  }
}

}  // namespace fastnn
