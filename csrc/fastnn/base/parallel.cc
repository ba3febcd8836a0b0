#include "fastnn/base/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "fastnn/base/check.h"
#include "fastnn/base/float_mode.h"
#include "fastnn/base/parallel_team.h"

namespace fastnn {
namespace {

constexpr int kMaxThreads = 1024;
constexpr double kMinParallelNs = 30'000;  // below this, waking a worker costs more than it saves

thread_local bool inside_region = false;
std::atomic<bool> forked{false};
std::atomic<bool> rendezvous{false};
std::atomic<int> most_workers{0};
std::atomic<int> chosen_threads{0};

// CPUs that the cgroup's quota pays for, or a large number without a quota.
int cgroup_cpus() {
  double quota = -1, period = -1;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string first;
    if (v2 >> first >> period && first != "max") quota = std::atof(first.c_str());
  } else if (std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
             p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
             q && p) {
    q >> quota;
    p >> period;
  }
  return quota > 0 && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : kMaxThreads;
}

int affinity_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

int default_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const long n = std::strtol(text, nullptr, 10);  // of a nested list "4,2" the outer level counts
    if (n >= 1) return static_cast<int>(std::min<long>(n, kMaxThreads));
  }
  return std::min(affinity_cpus(), cgroup_cpus());
}

bool use_openmp() {
  static const bool openmp = std::strcmp(threading_backend(), "openmp") == 0;
  return openmp;
}

// Threads do not survive fork: the child works alone. Registered when the library is loaded.
const int fork_handler = pthread_atfork(nullptr, nullptr, [] { forked = true; });

}  // namespace

const char* threading_backend() {
  const char* value = std::getenv("FASTNN_THREADING");
  if (!value || !*value || std::strcmp(value, "pool") == 0) return "pool";
  if (std::strcmp(value, "openmp") == 0) return "openmp";
  fail("threading", "FASTNN_THREADING: expected pool or openmp, got ", value);
}

int num_threads() {
  if (forked) return 1;
  int n = chosen_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    chosen_threads = n;
  }
  return n;
}

void set_num_threads(int n) {
  check(1 <= n && n <= kMaxThreads, "set_num_threads", "n: expected 1 to ", kMaxThreads, ", got ", n);
  chosen_threads = n;
}

void set_rendezvous(bool on) { rendezvous = on; }
int workers_seen() { return most_workers.exchange(0); }

namespace {

// While it lives, the calling thread is inside of a region.
class Inside {
 public:
  Inside() : outer_(inside_region) { inside_region = true; }
  ~Inside() { inside_region = outer_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool outer_;
  FloatMode mode_;
};

void note_workers(int useful) {
  int most = most_workers.load(std::memory_order_relaxed);
  while (useful > most && !most_workers.compare_exchange_weak(most, useful)) {
  }
}

void run_serially(int64_t chunks, ChunkFn fn, void* context) {
  const Inside inside;
  note_workers(1);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) fn(context, chunk);
}

}  // namespace

Region::Region(ChunkFn body, void* body_context, int64_t chunks, int workers, bool meet)
    : fn(body),
      context(body_context),
      threads(workers),
      rendezvous(meet),
      share_count(std::min(workers, kMostShares)) {
  for (int i = 0; i < share_count; ++i) {
    shares[i].next.store(chunks * i / share_count, std::memory_order_relaxed);
    shares[i].end = chunks * (i + 1) / share_count;
  }
}

void Region::work(int worker) noexcept {
  const Inside inside;
  bool any = false;
  for (int i = 0; i < share_count; ++i) {
    Share& share = shares[(worker + i) % share_count];
    for (int64_t chunk; (chunk = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;
         any = true) {
      if (!any) useful.fetch_add(1, std::memory_order_relaxed);
      // Nobody starts before everybody holds a chunk: threads <= chunks, so there is one for each.
      while (rendezvous && useful.load(std::memory_order_relaxed) < threads) sched_yield();
      if (failed.load(std::memory_order_relaxed)) continue;
      try {
        fn(context, chunk);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
}

void parallel_for(int64_t chunks, double work_ns, ChunkFn fn, void* context) {
  if (chunks <= 0) return;
  const bool meet = rendezvous.load(std::memory_order_relaxed);
  const bool parallel = !inside_region && chunks > 1 && (meet || work_ns >= kMinParallelNs);
  const int threads = parallel ? static_cast<int>(std::min<int64_t>(num_threads(), chunks)) : 1;
  if (threads == 1) return run_serially(chunks, fn, context);
  Region region(fn, context, chunks, threads, meet);
  use_openmp() ? run_on_openmp(region) : run_on_pool(region);
  note_workers(region.useful.load());
  if (region.failed) std::rethrow_exception(region.error);
}

}  // namespace fastnn
