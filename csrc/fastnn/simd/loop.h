// Walking along an array a register at a time. Included after simd/<isa>.h, by kernels.
#pragma once

namespace fastnn::FASTNN_ISA {

// "All lanes": stands where a number of lanes is expected, and costs nothing.
struct AllLanes {};

template <class V, class T>
FASTNN_INLINE V load(const T* p, AllLanes) {
  return V::load(p);
}
template <class V, class T>
FASTNN_INLINE V load(const T* p, int n) {
  return V::load(p, n);
}
template <class V, class T>
FASTNN_INLINE V load(const T* p, AllLanes, T) {
  return V::load(p);
}
template <class V, class T>
FASTNN_INLINE V load(const T* p, int n, T fill) {
  return V::load(p, n, fill);
}
template <class V, class T>
FASTNN_INLINE void store(V x, T* p, AllLanes) {
  x.store(p);
}
template <class V, class T>
FASTNN_INLINE void store(V x, T* p, int n) {
  x.store(p, n);
}

// x with 0 in the lanes that are not in use, for a sum of what is not 0 there.
template <class V>
FASTNN_INLINE V used(V x, AllLanes) {
  return x;
}
template <class V>
FASTNN_INLINE V used(V x, int n) {
  decltype(sum(x)) lanes[V::lanes];
  x.store(lanes);
  return V::load(lanes, n);
}

// Calls body(i, lanes) for i = 0, V::lanes, ... below count: lanes is AllLanes, or the number that is left at
// last.
template <class V, class Body>
FASTNN_INLINE void for_each_register(int64_t count, Body&& body) {
  int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes) body(i, AllLanes());
  if (i < count) body(i, static_cast<int>(count - i));
}

}  // namespace fastnn::FASTNN_ISA
