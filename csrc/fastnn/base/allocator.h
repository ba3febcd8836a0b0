// Aligned, caching memory: freed blocks are kept and handed out again, so that a training loop stops paying
// for page faults (a fresh 8 MB array costs about 2,000 of them). Thread-safe; the cache is bounded.
// FASTNN_DEBUG_ALLOC=1 turns caching off, fills new blocks with NaN and checks canaries round every block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace fastnn {

constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

// At least `bytes` bytes (0 allowed), 64-byte aligned, contents undefined. Throws std::bad_alloc.
void* allocate(size_t bytes);
void deallocate(void* block) noexcept;

// Returns all cached blocks to the operating system.
void empty_cache() noexcept;
size_t cached_bytes() noexcept;

// Bytes in live blocks now, and the most there ever were since the last reset.
size_t live_bytes() noexcept;
size_t peak_bytes() noexcept;
void reset_peak_bytes() noexcept;

// A scratch array that lives as long as its scope.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count)  // null if there is nothing to keep
      : data_(count ? static_cast<T*>(allocate(static_cast<size_t>(count) * sizeof(T))) : nullptr) {}
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer() { deallocate(data_); }

  T* get() const { return data_; }
  T* release() { return std::exchange(data_, nullptr); }  // the caller deallocates
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
};

}  // namespace fastnn
