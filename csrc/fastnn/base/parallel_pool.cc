// The pool back end: the caller works too and waits only for chunks that somebody has claimed, so that a
// worker which the operating system has descheduled before it began costs nothing.
#include <sched.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "fastnn/base/parallel_team.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fastnn {
namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One region in the pool's list. It lives on the caller's stack: a worker touches it only between enter and
// leave.
struct Job {
  Region* region;
  int wanted;      // helpers still to join
  int inside = 0;  // helpers that joined and have not left
};

// A thread of the pool, kept off its caller's core. The kernel of a virtual machine takes a halted core for
// one that the host has descheduled, and rather wakes a thread beside the one that woke it: a worker would
// wait for milliseconds behind the caller while the next core idles. A caller seldom changes cores, so the
// mask does not either.
struct Worker {
  int number;        // the caller of a region is its worker 0
  pid_t thread = 0;  // 0: not yet started
  bool busy = false;
  int barred = -1;  // the core where it may not run

  void keep_off(int core) {
    if (barred == core || busy || thread == 0) return;
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return;
    CPU_CLR(core, &cores);
    if (CPU_COUNT(&cores) == 0) return;
    barred = core;  // tried once, even if it is not allowed
    sched_setaffinity(thread, sizeof(cores), &cores);
  }
};

class Pool {
 public:
  void run(Region& region) {
    const int helpers = region.threads - 1;
    Job job{&region, helpers};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int>(workers_.size()) < helpers) add_worker();
      const int core = sched_getcpu();
      for (Worker& worker : workers_) worker.keep_off(core);
      jobs_.push_back(&job);
    }
    published_.fetch_add(1, std::memory_order_release);
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    region.work(0);
    std::unique_lock<std::mutex> lock(mutex_);
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (jobs_[i] == &job) jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    // Nobody can join any more. Helpers inside are finishing a claimed chunk: usually a matter of
    // microseconds.
    for (int turn = 0; job.inside > 0 && turn < kSpins + kYields; ++turn) {
      lock.unlock();
      if (turn < kSpins) {
        relax();
      } else {
        std::this_thread::yield();
      }
      lock.lock();
    }
    left_.wait(lock, [&] { return job.inside == 0; });
  }

 private:
  // A sleeping thread takes tens of microseconds to wake; layers of a net follow each other faster than that.
  // About 20 us of spinning catches most of them. Between two steps, or beside layers too small for two
  // threads, passes some 100 us more, in which the core is offered to anybody who wants it.
  static constexpr int kSpins = 400, kYields = 400;

  void add_worker() {
    Worker& worker = workers_.emplace_back(Worker{static_cast<int>(workers_.size()) + 1});
    std::thread([this, &worker] { loop(worker); }).detach();  // ends with the process
  }

  Job* join_one() {
    for (Job* job : jobs_) {
      if (job->wanted > 0) {
        --job->wanted;
        ++job->inside;
        return job;
      }
    }
    return nullptr;
  }

  void loop(Worker& self) {
    std::unique_lock<std::mutex> lock(mutex_);
    self.thread = gettid();
    for (;;) {
      Job* job = join_one();
      if (!job) {
        const uint64_t seen = published_.load(std::memory_order_acquire);
        lock.unlock();
        const auto idle = [&] { return published_.load(std::memory_order_acquire) == seen; };
        for (int spin = 0; spin < kSpins && idle(); ++spin) relax();
        for (int turn = 0; turn < kYields && idle(); ++turn) std::this_thread::yield();
        lock.lock();
        job = join_one();
        if (!job) {
          wake_.wait(lock, [&] { return (job = join_one()) != nullptr; });
        }
      }
      self.busy = true;
      lock.unlock();
      job->region->work(self.number);
      lock.lock();
      self.busy = false;
      if (--job->inside == 0) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<Job*> jobs_;
  std::deque<Worker> workers_;  // never move
  std::atomic<uint64_t> published_{0};
};

}  // namespace

void run_on_pool(Region& region) {
  static Pool* const pool = new Pool;  // never destroyed: its threads outlive main
  pool->run(region);
}

}  // namespace fastnn
