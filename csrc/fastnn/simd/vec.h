// The one vector interface that kernels are written on.
//
// A kernel file `<op>_kernel.inl.h` is a template over Vec<T>; `<op>_<isa>.cc` includes simd/<isa>.h, then
// the kernel, and instantiates it for float and double. simd/<isa>.h defines the macro FASTNN_ISA (the
// namespace's name) and, in namespace fastnn::FASTNN_ISA, Vec<float> and Vec<double> with
//
//   static constexpr int lanes                 elements a register
//   static constexpr int registers             vector registers of the ISA, to choose tile sizes
//   static Vec zero(), set(T x)                all lanes 0 / x
//   static Vec load(const T* p)                lanes elements from p, any alignment
//   static Vec load(const T* p, int n)         the first n (0..lanes) from p, the others 0; reads nothing
//   else void store(T* p) const, store(T* p, int n) const a + b, a - b, a * b, a / b fma(a, b, c)      a * b
//   + c, rounded once     fnma(a, b, c)   c - a * b, rounded once max(a, b)         the larger; b where
//   either is NaN, as the x86 instruction: max(zero, x) keeps a NaN x min(a, b)         likewise sqrt(a),
//   abs(a) a > b -> Mask     false where either is NaN select(mask, a, b) lane by lane a where mask, else b
//   sum(a)            of all lanes, pairwise, in a fixed order
//   transpose(Vec (&rows)[lanes])   lane j of rows[i] and lane i of rows[j] change places
//
// Everything stands in the ISA's own namespace, so that the linker never merges code of two instruction sets.
#pragma once

#include <stdint.h>
#include <string.h>

#define FASTNN_INLINE inline __attribute__((always_inline))
