// One fixed floating-point mode for all kernels: round to nearest, denormals kept, no traps.
// A program around us may have set flush-to-zero; results must not depend on that.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace fastnn {

class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() : saved_(_mm_getcsr()) {
    if (differs()) _mm_setcsr(kMode);
  }
  ~FloatMode() {
    if (differs()) _mm_setcsr(static_cast<unsigned>(saved_));
  }
#elif defined(__aarch64__)
  FloatMode() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(uint64_t{0}));
  }
  ~FloatMode() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
  FloatMode() : saved_(0) {}
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
#if defined(__x86_64__)
  // Writing the register takes as long as some kernels, and is seldom needed. Its low bits are no mode: they
  // collect which exceptions there have been.
  static constexpr unsigned kMode = 0x1F80, kExceptions = 0x3F;
  bool differs() const { return (static_cast<unsigned>(saved_) & ~kExceptions) != kMode; }
#endif
  uint64_t saved_;
};

}  // namespace fastnn
