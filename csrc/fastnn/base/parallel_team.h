// What the threading back ends share: one parallel region, and how a back end runs it. Private to
// parallel*.cc.
#pragma once

#include <atomic>
#include <exception>

#include "fastnn/base/parallel.h"

namespace fastnn {

// Chunks that stand side by side, claimed one by one.
struct alignas(64) Share {  // a cache line of its own
  std::atomic<int64_t> next;
  int64_t end;
};

// Every worker begins with a share of its own and then helps with the others': what a core has read and
// written stays its own, from one region to the next too, instead of going from core to core.
struct Region {
  static constexpr int kMostShares = 16;

  ChunkFn fn;
  void* context;
  int threads;      // workers wanted, the caller included; no more than there are chunks
  bool rendezvous;  // no chunk starts before each of them holds one
  int share_count;
  Share shares[kMostShares];
  std::atomic<int> useful{0};  // workers that ran at least one chunk
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written by the thread that set `failed`

  Region(ChunkFn body, void* body_context, int64_t chunks, int workers, bool meet);

  // Claims and runs chunks until none is left. The caller is worker 0.
  void work(int worker) noexcept;
};

void run_on_pool(Region& region);
void run_on_openmp(Region& region);

}  // namespace fastnn
