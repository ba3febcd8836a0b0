// Compiled once per instruction set: FASTNN_SIMD_HEADER is its simd/<isa>.h.
#include FASTNN_SIMD_HEADER

#include "vector_math.h"
#include "fastnn/simd/loop.h"
#include "fastnn/simd/math.h"

namespace fastnn::FASTNN_ISA {

template <class T, class Function>
static void map(const T* x, T* y, int64_t count, Function function) {
  using V = Vec<T>;
  for_each_register<V>(count,
                       [&](int64_t i, auto lanes) { store(function(load<V>(x + i, lanes)), y + i, lanes); });
}

template <class T>
void exp_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return exp(v); });
}

template <class T>
void log_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return log(v); });
}

template <class T>
void expm1_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return expm1(v); });
}

template <class T>
void log1p_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return log1p(v); });
}

template <class T>
void tanh_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return tanh(v); });
}

template <class T>
void sigmoid_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return sigmoid(v); });
}

template <class T>
void normal_cdf_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return normal_cdf(v, gauss(v)); });
}

template <class T>
void gelu_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return gelu(v); });
}

template <class T>
void gelu_tanh_of(const T* x, T* y, int64_t count) {
  map(x, y, count, [](Vec<T> v) { return gelu_tanh(v); });
}

#define FASTNN_X(T)                                   \
  template void exp_of(const T*, T*, int64_t);        \
  template void log_of(const T*, T*, int64_t);        \
  template void expm1_of(const T*, T*, int64_t);      \
  template void log1p_of(const T*, T*, int64_t);      \
  template void tanh_of(const T*, T*, int64_t);       \
  template void sigmoid_of(const T*, T*, int64_t);    \
  template void normal_cdf_of(const T*, T*, int64_t); \
  template void gelu_of(const T*, T*, int64_t);       \
  template void gelu_tanh_of(const T*, T*, int64_t);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn::FASTNN_ISA
