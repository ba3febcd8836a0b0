// The only user of threads.
//
// Work is cut into chunks whose number depends on shapes alone, so results are the same bits for any number
// of threads as long as every chunk writes its own outputs. A thread takes neighbouring chunks one by one,
// and then those that others have not begun.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fastnn {

using ChunkFn = void (*)(void* context, int64_t chunk);

// Calls fn(context, chunk) once for each chunk in [0, chunks), on up to num_threads() threads, the caller
// being one of them. `work_ns` is the estimated time of the whole on one thread: little work stays on the
// calling thread, as waking another costs some microseconds. Nested calls run serially; so does everything in
// a forked child. The first exception of a chunk is thrown again here, after all claimed chunks have ended.
void parallel_for(int64_t chunks, double work_ns, ChunkFn fn, void* context);

template <class Fn>
void parallel_for(int64_t chunks, double work_ns, Fn&& fn) {
  using Body = std::remove_reference_t<Fn>;
  parallel_for(
      chunks, work_ns, [](void* context, int64_t chunk) { (*static_cast<Body*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

// Rough speeds of one core, to turn operation counts into `work_ns`.
constexpr double kFlopsPerNs = 50;
constexpr double kBytesPerNs = 10;

// Set by the user, else OMP_NUM_THREADS, else the CPUs that affinity and the cgroup quota leave us.
int num_threads();
void set_num_threads(int n);  // throws unless 1 <= n <= 1024

// "pool" or "openmp", from FASTNN_THREADING; throws on another value.
const char* threading_backend();

// For tests: while on, a parallel region starts its chunks only when all its workers have arrived, and small
// work goes parallel too; workers_seen() is the largest number of threads that ran chunks of one region since
// the last call.
void set_rendezvous(bool on);
int workers_seen();

}  // namespace fastnn
