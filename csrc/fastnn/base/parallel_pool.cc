// The pool back end: the caller works too and waits only for chunks that somebody has claimed, so that a
// worker which the operating system has descheduled before it began costs nothing.
#include <condition_variable>
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

class Pool {
 public:
  void run(Region& region) {
    const int helpers = region.threads - 1;
    Job job{&region, helpers};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int>(size_) < helpers) add_worker();
      jobs_.push_back(&job);
    }
    published_.fetch_add(1, std::memory_order_release);
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    region.work();
    std::unique_lock<std::mutex> lock(mutex_);
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (jobs_[i] == &job) jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    // Nobody can join any more. Helpers inside are finishing a claimed chunk: usually a matter of
    // microseconds.
    for (int spin = 0; job.inside > 0 && spin < kSpins; ++spin) {
      lock.unlock();
      relax();
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
    std::thread([this] { loop(); }).detach();  // ends with the process
    ++size_;
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

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
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
      lock.unlock();
      job->region->work();
      lock.lock();
      if (--job->inside == 0) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<Job*> jobs_;
  std::atomic<uint64_t> published_{0};
  size_t size_ = 0;
};

}  // namespace

void run_on_pool(Region& region) {
  static Pool* const pool = new Pool;  // never destroyed: its threads outlive main
  pool->run(region);
}

}  // namespace fastnn
