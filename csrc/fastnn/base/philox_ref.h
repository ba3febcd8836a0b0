// Philox4x32 with seven rounds in plain code: the truth that kernels which draw are compared with.
#pragma once

#include <cstdint>

namespace fastnn {

// Word `index` (0 to 3) of counter (block, example) under the key `bits`.
inline uint32_t philox_word_ref(uint64_t bits, uint64_t example, uint64_t block, int index) {
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
  return c[index];
}

}  // namespace fastnn
