// Philox4x32 with seven rounds, the counter-based generator behind every random mask. Included after
// simd/<isa>.h, by kernels.
//
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, https://doi.org/10.1145/2063384.2063405
#pragma once

namespace fastnn::FASTNN_ISA {

// 16-bit halves that a counter yields: word 0 low and high, word 1 low and high, and so on.
static constexpr int kHalvesPerCounter = 8;

// The halves of kGroups registers of counters (block low, high; example low, high), from `block` on, under
// the key (low, high word of `bits`). Several groups at a time, because each round waits for the
// multiplication before it.
template <int kGroups>
static FASTNN_INLINE void philox4x32_7(uint64_t bits, uint64_t example, uint64_t block, uint16_t* out) {
  using W = Words;
  const W m0 = W::set(0xD2511F53), m1 = W::set(0xCD9E8D57);
  W c0[kGroups], c1[kGroups], c2[kGroups], c3[kGroups];
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) {
    c0[g] = W::count(block + static_cast<uint64_t>(g * W::lanes));
    c1[g] = high(c0[g]);
    c2[g] = W::set(example);
    c3[g] = high(c2[g]);
  }
  uint32_t k0 = static_cast<uint32_t>(bits), k1 = static_cast<uint32_t>(bits >> 32);
#pragma GCC unroll 7
  for (int round = 0; round < 7; ++round) {
    const W key0 = W::set(k0), key1 = W::set(k1);
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) {
      // Only the low 32 bits of a word are used: what stands above them does no harm.
      const W p0 = m0 * c0[g], p1 = m1 * c2[g];
      c0[g] = high(p1) ^ c1[g] ^ key0;
      c1[g] = p1;
      c2[g] = high(p0) ^ c3[g] ^ key1;
      c3[g] = p0;
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) {
    W::store(c0[g], c1[g], c2[g], c3[g], out + g * W::lanes * kHalvesPerCounter);
  }
}

}  // namespace fastnn::FASTNN_ISA
