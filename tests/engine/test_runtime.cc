// Threads and memory without Python: the part that a thread sanitizer can watch.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "fastnn/base/allocator.h"
#include "fastnn/base/parallel.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

constexpr double kLong = 1e9;  // an estimate that always goes parallel

void test_every_chunk_runs_once() {
  for (int threads : {1, 2, 3, 5}) {
    set_num_threads(threads);
    std::vector<int> runs(1000);
    parallel_for(1000, kLong, [&](int64_t chunk) { ++runs[static_cast<size_t>(chunk)]; });
    for (int n : runs) expect(n == 1, "parallel_for: runs of a chunk", n, 1);
  }
}

void test_rendezvous_occupies_all_threads() {
  set_rendezvous(true);
  for (int threads : {2, 3, 4}) {
    set_num_threads(threads);
    workers_seen();
    parallel_for(threads, 0, [](int64_t) {});
    const int seen = workers_seen();
    expect(seen == threads, "rendezvous: workers", seen, threads);
  }
  set_rendezvous(false);
}

void test_nested_regions_are_serial() {
  set_num_threads(3);
  std::atomic<int> inner{0};
  parallel_for(4, kLong, [&](int64_t) {
    const auto caller = std::this_thread::get_id();
    parallel_for(5, kLong, [&](int64_t) {
      expect(std::this_thread::get_id() == caller, "nested parallel_for left its thread");
      ++inner;
    });
  });
  expect(inner == 20, "nested parallel_for: chunks", inner, 20);
}

void test_exceptions_come_back() {
  set_num_threads(3);
  for (int round = 0; round < 50; ++round) {
    bool caught = false;
    try {
      parallel_for(20, kLong, [](int64_t chunk) {
        if (chunk % 7 == 3) throw std::runtime_error("planted");
      });
    } catch (const std::runtime_error& error) {
      caught = std::strcmp(error.what(), "planted") == 0;
    }
    expect(caught, "an exception of a chunk is thrown again by parallel_for");
  }
}

void test_callers_at_once() {
  set_num_threads(3);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::vector<int64_t> sums(16);
        parallel_for(16, kLong, [&](int64_t chunk) {
          const Buffer<int64_t> scratch(100 + chunk);
          scratch[chunk] = chunk;
          sums[static_cast<size_t>(chunk)] = scratch[chunk];
        });
        for (int64_t sum : sums) total += sum;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  expect(total == 4 * 200 * 120, "sum over concurrent callers", double(total), 4 * 200 * 120);
}

void test_bad_thread_counts_are_refused() {
  for (int n : {0, -1, 1 << 20}) {
    bool refused = false;
    try {
      set_num_threads(n);
    } catch (const std::invalid_argument&) {
      refused = true;
    }
    expect(refused, "set_num_threads refuses", n);
  }
}

// The exit status of a function in a forked child, or 128 + the signal that ended it.
template <class Fn>
int in_child(Fn fn) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(fn());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void test_child_of_a_fork_runs_serially() {
  set_num_threads(3);
  parallel_for(8, kLong, [](int64_t) {});
  const int status = in_child([] {
    std::atomic<int> chunks{0};
    const auto caller = std::this_thread::get_id();
    parallel_for(8, kLong, [&](int64_t) { chunks += std::this_thread::get_id() == caller; });
    return chunks == 8 && num_threads() == 1 ? 0 : 1;
  });
  expect(status == 0, "exit status of a forked child", status, 0);
}

void test_allocator_keeps_counts() {
  empty_cache();
  const size_t live = live_bytes();
  reset_peak_bytes();
  void* block = allocate(10'000);
  expect(reinterpret_cast<uintptr_t>(block) % kAlignment == 0, "alignment of a block");
  expect(live_bytes() >= live + 10'000, "live bytes with a block", double(live_bytes()), double(live));
  expect(peak_bytes() == live_bytes(), "peak bytes", double(peak_bytes()), double(live_bytes()));
  deallocate(block);
  expect(live_bytes() == live, "live bytes without it", double(live_bytes()), double(live));
  expect(peak_bytes() >= live + 10'000, "peak bytes after it");
  void* again = allocate(9'900);
  expect(again == block || cached_bytes() == 0, "a freed block of nearly the size is handed out again");
  deallocate(again);
  empty_cache();
  expect(cached_bytes() == 0, "cached bytes after empty_cache", double(cached_bytes()), 0);
  deallocate(allocate(0));
}

void test_cache_is_bounded() {
  constexpr size_t kBlock = size_t{300} << 20;  // never touched, so it costs no memory
  std::vector<void*> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(allocate(kBlock));
  for (void* block : blocks) deallocate(block);
  expect(cached_bytes() <= size_t{1} << 30, "cached bytes", double(cached_bytes()), double(size_t{1} << 30));
  empty_cache();
}

void test_impossible_sizes_are_refused() {
  const size_t live = live_bytes();
  for (size_t bytes : {~size_t{0}, size_t{1} << 62, size_t{1} << 60}) {
    bool refused = false;
    try {
      deallocate(allocate(bytes));
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    expect(refused, "allocate refuses");
  }
  expect(live_bytes() == live, "live bytes after refusals", double(live_bytes()), double(live));
}

}  // namespace

void test_runtime() {
  const int before = num_threads();
  test_every_chunk_runs_once();
  test_rendezvous_occupies_all_threads();
  test_nested_regions_are_serial();
  test_exceptions_come_back();
  test_callers_at_once();
  test_bad_thread_counts_are_refused();
  test_child_of_a_fork_runs_serially();
  set_num_threads(before);
  test_allocator_keeps_counts();
  test_cache_is_bounded();
  test_impossible_sizes_are_refused();
}

}  // namespace fastnn::selftest
