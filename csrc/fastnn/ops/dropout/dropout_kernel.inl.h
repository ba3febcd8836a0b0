#include "fastnn/ops/dropout/dropout_kernel.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/philox.h"

namespace fastnn::FASTNN_ISA {

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
  constexpr int64_t kFew = Words::lanes * kHalvesPerCounter, kMany = kGroups * kFew;
  uint16_t uniforms[kMany];
  int64_t i = 0;
  for (; i + kMany <= run.count; i += kMany) {
    philox4x32_7<kGroups>(run.bits, run.example, run.block + static_cast<uint64_t>(i / kHalvesPerCounter),
                          uniforms);
    drop(run, i, kMany, uniforms);
  }
  for (; i < run.count; i += kFew) {
    philox4x32_7<1>(run.bits, run.example, run.block + static_cast<uint64_t>(i / kHalvesPerCounter),
                    uniforms);
    drop(run, i, run.count - i < kFew ? run.count - i : kFew, uniforms);
  }
}

template <class T>
static void dropout_groups(const DropoutGroups<T>& groups) {
  using V = Vec<T>;
  const V zero = V::zero();
  const T* x = groups.x;
  T* y = groups.y;
  for (int64_t i = 0; i < groups.rows; ++i, x += groups.columns, y += groups.columns) {
    for_each_register<V>(
        groups.columns, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
          const V factor = load<V>(groups.factors + c, lanes);
          store(select(factor > zero, load<V>(x + c, lanes) * factor, zero), y + c, lanes);
        });
  }
}

template <class T>
DropoutKernel<T> dropout_kernel() {
  return {dropout_run<T>, dropout_groups<T>};
}

template DropoutKernel<float> dropout_kernel<float>();
template DropoutKernel<double> dropout_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
