#include "fastnn/base/arch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace fastnn {
namespace {

constexpr int kUnset = -1;
std::atomic<int> active{kUnset};

constexpr Isa kAll[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon};

Isa widest_allowed() {
  const char* cap = std::getenv("FASTNN_MAX_ISA");
  const int limit = cap && *cap ? static_cast<int>(isa_from_name(cap)) : static_cast<int>(Isa::neon);
  Isa best = Isa::scalar;
  for (Isa isa : kAll) {
    if (static_cast<int>(isa) <= limit && isa_available(isa)) best = isa;
  }
  return best;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::neon:
      return "neon";
  }
  return "unknown";
}

Isa isa_from_name(const char* name) {
  for (Isa isa : kAll) {
    if (std::strcmp(name, isa_name(isa)) == 0) return isa;
  }
  throw std::invalid_argument(std::string("[isa] name: expected scalar, avx2, avx512 or neon, got ") + name);
}

bool isa_available(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return true;
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    case Isa::neon:
      return true;
#endif
    default:
      return false;
  }
}

Isa active_isa() {
  int isa = active.load(std::memory_order_relaxed);
  if (isa == kUnset) {
    isa = static_cast<int>(widest_allowed());
    active.store(isa, std::memory_order_relaxed);
  }
  return static_cast<Isa>(isa);
}

void override_isa(Isa isa) {
  if (!isa_available(isa)) {
    throw std::invalid_argument(std::string("[isa] this machine cannot run ") + isa_name(isa));
  }
  active.store(static_cast<int>(isa), std::memory_order_relaxed);
}

}  // namespace fastnn
