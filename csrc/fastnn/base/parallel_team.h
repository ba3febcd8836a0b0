// What the threading back ends share: one parallel region, and how a back end runs it. Private to
// parallel*.cc.
#pragma once

#include <atomic>
#include <exception>

#include "fastnn/base/parallel.h"

namespace fastnn {

struct Region {
  ChunkFn fn;
  void* context;
  int64_t chunks;
  int threads = 1;          // workers wanted, the caller included
  bool rendezvous = false;  // no chunk starts before each of them holds one
  std::atomic<int64_t> next{0};
  std::atomic<int> useful{0};  // workers that ran at least one chunk
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written by the thread that set `failed`

  // Claims and runs chunks until none is left.
  void work() noexcept;
};

void run_on_pool(Region& region);
void run_on_openmp(Region& region);

}  // namespace fastnn
