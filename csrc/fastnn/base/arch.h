// Which instruction sets this binary holds kernels for, and which one is in use.
//
// Every kernel is compiled once per instruction set, each time in a namespace of that name
// (fastnn::scalar, fastnn::avx2, ...). FASTNN_DISPATCH picks one of them by the active ISA.
// This header is included by ISA-specific files: it must define no inline function.
#pragma once

// FASTNN_FOR_EACH_VECTOR_ISA(X, ...) expands X(isa, ...) from widest to narrowest, without scalar.
#if defined(__x86_64__)
#define FASTNN_FOR_EACH_VECTOR_ISA(X, ...) X(avx512, __VA_ARGS__) X(avx2, __VA_ARGS__)
#elif defined(__aarch64__)
#define FASTNN_FOR_EACH_VECTOR_ISA(X, ...) X(neon, __VA_ARGS__)
#else
#define FASTNN_FOR_EACH_VECTOR_ISA(X, ...)
#endif
#define FASTNN_FOR_EACH_ISA(X, ...) FASTNN_FOR_EACH_VECTOR_ISA(X, __VA_ARGS__) X(scalar, __VA_ARGS__)

// Declares one function in every ISA namespace: FASTNN_DECLARE_KERNEL(template <class T> K<T> op_kernel()).
#define FASTNN_DECLARE_IN_(isa, ...) \
  namespace isa {                    \
  __VA_ARGS__;                       \
  }
#define FASTNN_DECLARE_KERNEL(...) FASTNN_FOR_EACH_ISA(FASTNN_DECLARE_IN_, __VA_ARGS__)

// The address of a kernel function for the active ISA: FASTNN_DISPATCH(op_kernel<T>)().
#define FASTNN_CASE_(isa, ...) ::fastnn::active_isa() == ::fastnn::Isa::isa ? &isa::__VA_ARGS__:
#define FASTNN_DISPATCH(...) (FASTNN_FOR_EACH_VECTOR_ISA(FASTNN_CASE_, __VA_ARGS__) & scalar::__VA_ARGS__)

namespace fastnn {

enum class Isa { scalar, avx2, avx512, neon };

// The ISA that kernels run on: the widest one that the CPU, the operating system, this binary and the
// environment variable FASTNN_MAX_ISA allow, unless overridden. Throws on an unknown FASTNN_MAX_ISA.
Isa active_isa();

// Whether this machine can run kernels of `isa` and this binary holds them.
bool isa_available(Isa isa);

// Forces an available ISA for the whole process (tests).
void override_isa(Isa isa);

const char* isa_name(Isa isa);
Isa isa_from_name(const char* name);  // throws std::invalid_argument on an unknown name

}  // namespace fastnn
