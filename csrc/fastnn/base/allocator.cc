#include "fastnn/base/allocator.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

namespace fastnn {
namespace {

constexpr uint64_t kCanary = 0xFA57BEEFFA57BEEFull;
constexpr size_t kMaxCached = size_t{1} << 30;
constexpr size_t kHugePage = size_t{2} << 20;

// Stands in the cache line before every block.
struct alignas(kAlignment) Header {
  size_t capacity;   // bytes usable behind the header
  size_t requested;  // bytes asked for: the back canary stands right behind them
  uint64_t canary[6];
};
static_assert(sizeof(Header) == kAlignment);

constexpr size_t kLeastClass = 256;
constexpr int kClasses = 4 * 56;  // quarter steps from there to 2^63

// Held for a few instructions, and seldom wanted by two: a mutex of the system costs more than what it
// guards, tens of times in a small layer. Who waits lets others run, as the holder may have lost its core.
class BriefLock {
 public:
  void lock() {
    while (taken_.test_and_set(std::memory_order_acquire)) sched_yield();
  }
  void unlock() { taken_.clear(std::memory_order_release); }

 private:
  std::atomic_flag taken_ = ATOMIC_FLAG_INIT;
};
using Guard = std::lock_guard<BriefLock>;

struct State {
  BriefLock lock;
  std::vector<Header*> free_blocks[kClasses];
  size_t cached = 0, live = 0, peak = 0;
  const bool debug = [] {
    const char* value = std::getenv("FASTNN_DEBUG_ALLOC");
    return value && std::strcmp(value, "0") != 0 && *value;
  }();
};

// Never destroyed: arrays may outlive static destruction. A fork while another thread holds the lock would
// leave it locked in the child for ever, hence the handlers.
State& state() {
  static State* const s = [] {
    static State* made = new State;
    pthread_atfork([] { made->lock.lock(); }, [] { made->lock.unlock(); }, [] { made->lock.unlock(); });
    return made;
  }();
  return *s;
}

// Sizes in quarter steps of a power of two: at most 25 % is wasted and nearby sizes share blocks. A capacity
// is of its own class.
struct SizeClass {
  size_t capacity = kLeastClass;
  int index = 0;

  explicit SizeClass(size_t bytes) {
    if (bytes <= kLeastClass) return;
    const int power = 63 - __builtin_clzll(bytes - 1);  // at least 8
    const int shift = power - 2;
    const size_t quarters = ((bytes - 1) >> shift) + 1;  // 5 to 8
    capacity = quarters << shift;
    index = 4 * (power - 8) + static_cast<int>(quarters) - 4;
  }
};

Header* header_of(void* block) { return static_cast<Header*>(block) - 1; }

Header* new_block(size_t capacity) {
  const size_t bytes = sizeof(Header) + capacity + sizeof(kCanary);
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  // Fewer faults and TLB misses; a hint only. The last bytes of a block, often a few beyond a power of two,
  // must not occupy a huge page of their own.
  if (alignment == kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return static_cast<Header*>(memory);
}

void arm(Header* header) {
  for (uint64_t& word : header->canary) word = kCanary;
  char* block = reinterpret_cast<char*>(header + 1);
  std::memset(block, 0xFF, header->requested);  // NaN in every float type: reading unwritten results shows
  std::memcpy(block + header->requested, &kCanary, sizeof(kCanary));
}

void verify(const Header* header) {
  bool ok = std::memcmp(reinterpret_cast<const char*>(header + 1) + header->requested, &kCanary,
                        sizeof(kCanary)) == 0;
  for (uint64_t word : header->canary) ok = ok && word == kCanary;
  if (ok) return;
  std::fprintf(stderr, "fastnn: memory beside a block of %zu bytes was overwritten\n", header->requested);
  std::abort();
}

}  // namespace

void* allocate(size_t bytes) {
  State& s = state();
  if (bytes > (size_t{1} << 62)) throw std::bad_alloc();
  const SizeClass size(bytes);
  const size_t capacity = s.debug ? bytes : size.capacity;
  Header* header = nullptr;
  {
    const Guard guard(s.lock);
    std::vector<Header*>& free_blocks = s.free_blocks[size.index];
    if (!free_blocks.empty()) {
      header = free_blocks.back();
      free_blocks.pop_back();
      s.cached -= capacity;
    }
    s.live += capacity;
    if (s.live > s.peak) s.peak = s.live;
  }
  if (!header) {
    try {
      header = new_block(capacity);
    } catch (const std::bad_alloc&) {
      empty_cache();
      try {
        header = new_block(capacity);
      } catch (const std::bad_alloc&) {
        const Guard guard(s.lock);
        s.live -= capacity;
        throw;
      }
    }
  }
  header->capacity = capacity;
  header->requested = bytes;
  if (s.debug) arm(header);
  return header + 1;
}

void deallocate(void* block) noexcept {
  if (!block) return;
  State& s = state();
  Header* header = header_of(block);
  if (s.debug) verify(header);
  {
    const Guard guard(s.lock);
    s.live -= header->capacity;
    if (!s.debug && s.cached + header->capacity <= kMaxCached) {
      try {
        s.free_blocks[SizeClass(header->capacity).index].push_back(header);
        s.cached += header->capacity;
        return;
      } catch (const std::bad_alloc&) {
        // No memory for the list itself: give the block back below.
      }
    }
  }
  std::free(header);
}

void empty_cache() noexcept {
  State& s = state();
  std::vector<Header*> free_blocks[kClasses];
  {
    const Guard guard(s.lock);
    std::swap(free_blocks, s.free_blocks);
    s.cached = 0;
  }
  for (const std::vector<Header*>& blocks : free_blocks) {
    for (Header* header : blocks) std::free(header);
  }
}

size_t cached_bytes() noexcept {
  State& s = state();
  const Guard guard(s.lock);
  return s.cached;
}

size_t live_bytes() noexcept {
  State& s = state();
  const Guard guard(s.lock);
  return s.live;
}

size_t peak_bytes() noexcept {
  State& s = state();
  const Guard guard(s.lock);
  return s.peak;
}

void reset_peak_bytes() noexcept {
  State& s = state();
  const Guard guard(s.lock);
  s.peak = s.live;
}

}  // namespace fastnn
