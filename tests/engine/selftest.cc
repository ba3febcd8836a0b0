// Runs every suite, for each instruction set that this machine and this binary have; exits with 1 on a
// failure.
#include "selftest.h"

#include <atomic>
#include <cstdio>

#include "fastnn/base/arch.h"

namespace fastnn::selftest {
namespace {

std::atomic<int> checks{0}, failures{0};

}  // namespace

void expect(bool ok, const char* what, double actual, double expected) {
  ++checks;
  if (ok) return;
  ++failures;
  std::printf("FAILED [%s] %s: got %.17g, expected %.17g\n", isa_name(active_isa()), what, actual, expected);
}

int run() {
  const Isa first = active_isa();
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon}) {
    if (!isa_available(isa)) continue;
    override_isa(isa);
    const int before = failures;
    test_ops();
    test_windows();
    test_losses();
    test_updates();
    test_random();
    test_vector_math();
    std::printf("%-7s %s\n", isa_name(isa), failures == before ? "ok" : "FAILED");
  }
  override_isa(first);
  const int before = failures;
  test_runtime();
  std::printf("%-7s %s\n", "runtime", failures == before ? "ok" : "FAILED");
  std::printf("%d checks, %d failures\n", checks.load(), failures.load());
  return failures ? 1 : 0;
}

}  // namespace fastnn::selftest

int main() { return fastnn::selftest::run(); }
