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
//   store(T* p), store(T* p, int n)
//   load_bytes(const uint8_t* p, int n), store_bytes(uint8_t* p, int n)
//                                   the same for integers 0 to 255, kept as bytes
//   a + b, a - b, a * b, a / b
//   fma(a, b, c)                    a * b + c, rounded once
//   fnma(a, b, c)                   c - a * b, rounded once
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
//
// and Words, unsigned 64-bit lanes, for counter-based random numbers:
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
