// Vec<T> as one element: the fallback that runs anywhere.
#pragma once

#include <math.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA scalar

namespace fastnn::scalar {

static FASTNN_INLINE void end_streams() {}

template <class T>
struct Vec {
  static constexpr int lanes = 1;
  static constexpr int registers = 16;
  using Layout = FloatLayout<T>;
  using Int = typename Layout::Int;
  using Mask = bool;
  T r;

  static FASTNN_INLINE Vec zero() { return {T(0)}; }
  static FASTNN_INLINE Vec set(T x) { return {x}; }
  static FASTNN_INLINE Vec load(const T* p) { return {*p}; }
  static FASTNN_INLINE Vec load(const T* p, int n) { return load(p, n, T(0)); }
  static FASTNN_INLINE Vec load(const T* p, int n, T fill) { return {n > 0 ? *p : fill}; }
  FASTNN_INLINE void store(T* p) const { *p = r; }
  FASTNN_INLINE void stream(T* p) const { store(p); }
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
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return a.r == b.r; }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) { return !(a.r <= b.r) && b.r == b.r; }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) { return *p >= bound; }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) { return {n > 0 ? T(*p) : T(0)}; }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    if (n > 0) *p = static_cast<uint8_t>(r);
  }
  friend FASTNN_INLINE T sum(Vec a) { return a.r; }
  friend FASTNN_INLINE T highest(Vec a) { return a.r; }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    // Unsigned: what the shift pushes out of a signed number is undefined.
    return from_bits(Int(uint64_t(bits_of(n + set(Layout::to_field))) << Layout::fraction_bits));
  }
  friend FASTNN_INLINE Vec exponent(Vec a) {
    return from_bits((bits_of(a) >> Layout::fraction_bits) | Layout::field_base) - set(Layout::from_field);
  }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    return from_bits((bits_of(a) & Layout::fraction_mask) | Layout::one);
  }
  static FASTNN_INLINE Vec sums(const Vec (&a)[1]) { return a[0]; }
  static FASTNN_INLINE void transpose(Vec (&)[1]) {}

 private:
  static FASTNN_INLINE Int bits_of(Vec a) {
    Int bits;
    memcpy(&bits, &a.r, sizeof bits);
    return bits;
  }
  static FASTNN_INLINE Vec from_bits(Int bits) {
    Vec a;
    memcpy(&a.r, &bits, sizeof bits);
    return a;
  }
};

template <class T>
using HalfVec = Vec<T>;

struct Words {
  static constexpr int lanes = 1;
  uint64_t r;

  static FASTNN_INLINE Words set(uint64_t x) { return {x}; }
  static FASTNN_INLINE Words count(uint64_t first) { return {first}; }
  friend FASTNN_INLINE Words operator^(Words a, Words b) { return {a.r ^ b.r}; }
  friend FASTNN_INLINE Words operator*(Words a, Words b) { return {(a.r & 0xFFFFFFFF) * (b.r & 0xFFFFFFFF)}; }
  friend FASTNN_INLINE Words high(Words a) { return {a.r >> 32}; }
  static FASTNN_INLINE void store(Words a, Words b, Words c, Words d, uint16_t* p) {
    const uint64_t words[4] = {a.r, b.r, c.r, d.r};
    for (int i = 0; i < 4; ++i) {
      p[2 * i] = static_cast<uint16_t>(words[i]);
      p[2 * i + 1] = static_cast<uint16_t>(words[i] >> 16);
    }
  }
};

}  // namespace fastnn::scalar
