// Vec<T> as one element: the fallback that runs anywhere.
#pragma once

#include <math.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA scalar

namespace fastnn::scalar {

template <class T>
struct Vec {
  static constexpr int lanes = 1;
  static constexpr int registers = 16;
  using Mask = bool;
  T r;

  static FASTNN_INLINE Vec zero() { return {T(0)}; }
  static FASTNN_INLINE Vec set(T x) { return {x}; }
  static FASTNN_INLINE Vec load(const T* p) { return {*p}; }
  static FASTNN_INLINE Vec load(const T* p, int n) { return {n > 0 ? *p : T(0)}; }
  FASTNN_INLINE void store(T* p) const { *p = r; }
  FASTNN_INLINE void store(T* p, int n) const {
    if (n > 0) *p = r;
  }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {a.r + b.r}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {a.r - b.r}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {a.r * b.r}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {a.r / b.r}; }
  // Two roundings: a fused multiply-add without the instruction would be a slow library call.
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {a.r * b.r + c.r}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {c.r - a.r * b.r}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return {a.r > b.r ? a.r : b.r}; }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return {a.r < b.r ? a.r : b.r}; }
  friend FASTNN_INLINE Vec sqrt(Vec a) {
    return {sizeof(T) == 4 ? T(__builtin_sqrtf(float(a.r))) : T(__builtin_sqrt(double(a.r)))};
  }
  friend FASTNN_INLINE Vec abs(Vec a) { return {a.r < T(0) ? -a.r : a.r + T(0)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return a.r > b.r; }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return m ? a : b; }
  friend FASTNN_INLINE T sum(Vec a) { return a.r; }
  static FASTNN_INLINE void transpose(Vec (&)[1]) {}
};

}  // namespace fastnn::scalar
