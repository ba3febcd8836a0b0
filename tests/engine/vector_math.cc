// Compiled once per instruction set: FASTNN_SIMD_HEADER is its simd/<isa>.h.
#include FASTNN_SIMD_HEADER

#include "vector_math.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/math.h"

namespace fastnn::FASTNN_ISA {

template <class T>
void exp_of(const T* x, T* y, int64_t count) {
  using V = Vec<T>;
  for_each_register<V>(count,
                       [&](int64_t i, auto lanes) { store(exp(load<V>(x + i, lanes)), y + i, lanes); });
}

template <class T>
void log_of(const T* x, T* y, int64_t count) {
  using V = Vec<T>;
  for_each_register<V>(count,
                       [&](int64_t i, auto lanes) { store(log(load<V>(x + i, lanes)), y + i, lanes); });
}

template void exp_of(const float*, float*, int64_t);
template void exp_of(const double*, double*, int64_t);
template void log_of(const float*, float*, int64_t);
template void log_of(const double*, double*, int64_t);

}  // namespace fastnn::FASTNN_ISA
