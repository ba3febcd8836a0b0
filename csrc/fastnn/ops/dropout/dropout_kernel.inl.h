#include "fastnn/ops/dropout/dropout_kernel.h"

namespace fastnn::FASTNN_ISA {

// Uniforms of kGroups registers of counters, from counter `block` on. Several groups at a time, because each
// round waits for the multiplication before it.
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
    W::store(c0[g], c1[g], c2[g], c3[g], out + g * W::lanes * kUniformsPerCounter);
  }
}

template <class T>
static FASTNN_INLINE void drop(const DropoutRun<T>& run, int64_t begin, int64_t count, const uint16_t* u) {
  using V = Vec<T>;
  const V scale = V::set(run.scale), zero = V::zero();
  const T* x = run.x + begin;
  T* y = run.y + begin;
  int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) {
    select(V::at_least(u + i, run.threshold), V::load(x + i) * scale, zero).store(y + i);
  }
  const int tail = static_cast<int>(count - i);
  if (tail) select(V::at_least(u + i, run.threshold), V::load(x + i, tail) * scale, zero).store(y + i, tail);
}

template <class T>
static void dropout_run(const DropoutRun<T>& run) {
  constexpr int kGroups = Vec<T>::registers / 8;  // four words each, in half of the registers
  constexpr int64_t kFew = Words::lanes * kUniformsPerCounter, kMany = kGroups * kFew;
  uint16_t uniforms[kMany];
  int64_t i = 0;
  for (; i + kMany <= run.count; i += kMany) {
    philox4x32_7<kGroups>(run.bits, run.example, run.block + static_cast<uint64_t>(i / kUniformsPerCounter),
                          uniforms);
    drop(run, i, kMany, uniforms);
  }
  for (; i < run.count; i += kFew) {
    philox4x32_7<1>(run.bits, run.example, run.block + static_cast<uint64_t>(i / kUniformsPerCounter),
                    uniforms);
    drop(run, i, run.count - i < kFew ? run.count - i : kFew, uniforms);
  }
}

template <class T>
DropoutKernel<T> dropout_kernel() {
  return {dropout_run<T>};
}

template DropoutKernel<float> dropout_kernel<float>();
template DropoutKernel<double> dropout_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
