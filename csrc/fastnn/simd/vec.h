// The one vector interface that kernels are written on.
//
// A kernel file `<op>_kernel.inl.h` is a template over Vec<T>; `<op>_<isa>.cc` includes simd/<isa>.h, then
// the kernel, and instantiates it for float and double. simd/<isa>.h defines the macro FASTNN_ISA (the
// namespace's name) and, in namespace fastnn::FASTNN_ISA, Vec<float> and Vec<double> with
//
//   static constexpr int lanes      elements a register
//   static constexpr int registers  vector registers of the ISA, to choose tile sizes
//   zero(), set(T x)                all lanes 0 / x
//   load(const T* p)                lanes elements from p, any alignment
//   load(const T* p, int n)         the first n (0..lanes) from p, the others 0; reads nothing else
//   load(const T* p, int n, T fill) likewise, the others fill
//   store(T* p), store(T* p, int n)
//   stream(T* p)                    store(p) past the caches, p aligned to a register; end_streams() makes
//                                   what was streamed visible to other threads
//   load_bytes(const uint8_t* p, int n), store_bytes(uint8_t* p, int n)
//                                   the same for integers 0 to 255, kept as bytes
//   a + b, a - b, a * b, a / b
//   fma(a, b, c)                    a * b + c, rounded once (twice by the scalar fallback)
//   fnma(a, b, c)                   c - a * b, likewise
//   max(a, b)                       the larger; b where either is NaN, as the x86 instruction: max(zero, x)
//                                   keeps a NaN x
//   min(a, b)                       likewise
//   sqrt(a), abs(a)
//   a > b, a == b -> Mask           false where either is NaN
//   beats(a, b) -> Mask             a > b, with NaN as the largest number: of two NaN neither beats
//   at_least(const uint16_t* p, int bound) -> Mask
//                                   p[lane] >= bound, for bounds from 0 to 65536
//   select(mask, a, b)              lane by lane a where mask, else b
//   sum(a)                          of all lanes, pairwise, in a fixed order
//   sums(const Vec (&a)[lanes])     lane i is the sum of all lanes of a[i], pairwise, in an order that does
//                                   not depend on i
//   highest(a)                      of all lanes, none of them NaN
//   transpose(Vec (&rows)[lanes])   lane j of rows[i] and lane i of rows[j] change places
//   pow2(n)                         2^n for integral n from -126 to 127 (double: -1022 to 1023)
//   exponent(a), mantissa(a)        a = mantissa * 2^exponent, 1 <= mantissa < 2, for positive normal a
//
// HalfVec<T> for results that fill half of the lanes, with what a register tile needs of this: half a
// register where the hardware multiplies two of them in the time of a whole one, else Vec<T> itself.
//
// Words are unsigned 64-bit lanes, for counter-based random numbers:
//
//   static constexpr int lanes
//   set(uint64_t x)
//   count(uint64_t first)           first, first + 1, ... in the order of lanes that store() undoes
//   a ^ b, a * b                    the product is that of the low 32 bits
//   high(a)                         the upper 32 bits, moved down
//   store(a, b, c, d, uint16_t* p)  for each count: the low 32 bits of a, b, c, d, low halves first
//
// Everything stands in the ISA's own namespace, so that the linker never merges code of two instruction sets.
#pragma once

#include <stdint.h>
#include <string.h>

#define FASTNN_INLINE inline __attribute__((always_inline))

namespace fastnn {

// The layout of a floating-point number, and two numbers that turn its exponent field into a number and back:
// an integer n in the low bits of n + to_field is n + bias, ready to be shifted into place; a field ORed into
// the low bits of 2^fraction_bits is worth from_field more than the exponent.
template <class T>
struct FloatLayout;

template <>
struct FloatLayout<float> {
  using Int = int32_t;
  static constexpr int fraction_bits = 23;
  static constexpr Int fraction_mask = 0x007FFFFF;
  static constexpr Int one = 0x3F800000;         // the bits of 1
  static constexpr Int field_base = 0x4B000000;  // the bits of 2^23
  static constexpr float to_field = 0x1.8p23f + 127;
  static constexpr float from_field = 0x1p23f + 127;
};

template <>
struct FloatLayout<double> {
  using Int = int64_t;
  static constexpr int fraction_bits = 52;
  static constexpr Int fraction_mask = 0x000FFFFFFFFFFFFF;
  static constexpr Int one = 0x3FF0000000000000;
  static constexpr Int field_base = 0x4330000000000000;
  static constexpr double to_field = 0x1.8p52 + 1023;
  static constexpr double from_field = 0x1p52 + 1023;
};

}  // namespace fastnn
