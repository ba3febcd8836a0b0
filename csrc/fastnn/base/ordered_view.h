// Arrays of any strides, walked in the memory order of a dense one: what elementwise operations and layout
// conversions are written on.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/base/allocator.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/base/transpose.h"

namespace fastnn {

// Blocks are small enough that a gathered copy of one stays in the first cache.
constexpr int64_t kBlockElements = 2048;

// An array whose elements are numbered in an order of axes: that of a dense array of the same shape with the
// given strides, whose numbers are its offsets.
template <class T>
class OrderedView {
 public:
  OrderedView(const TensorView<T>& x, const int64_t* dense_stride) : data_(x.data) {
    int axes[kMaxRank], count = 0;
    for (int d = 0; d < x.rank; ++d) {  // insertion sort, slowest axis first
      if (x.shape[d] == 1) continue;
      int i = count++;
      for (; i > 0 && dense_stride[axes[i - 1]] < dense_stride[d]; --i) axes[i] = axes[i - 1];
      axes[i] = d;
    }
    for (int i = 0; i < count; ++i) {
      const int64_t size = x.shape[axes[i]], stride = x.stride[axes[i]];
      if (rank_ && stride_[rank_ - 1] == size * stride) {
        shape_[rank_ - 1] *= size;
      } else {
        shape_[rank_++] = size;
      }
      stride_[rank_ - 1] = stride;
    }
    if (rank_ == 0) rank_ = shape_[0] = stride_[0] = 1;
  }

  // Elements [begin, begin + count): where they lie if they lie together, else gathered in `scratch`.
  const T* read(int64_t begin, int64_t count, std::remove_const_t<T>* scratch) const {
    if (const T* run = find(begin, count)) return run;
    const int64_t inner = shape_[rank_ - 1];
    const bool crossed = rank_ > 1 && stride_[rank_ - 2] == 1;  // what lies together belongs to many runs
    for (int64_t done = 0; done < count;) {
      const int64_t index = begin + done;
      const int64_t rows =
          crossed && index % inner == 0 ? rows_together(index / inner, (count - done) / inner) : 0;
      if (rows > 1) {
        transpose<std::remove_const_t<T>>(at(index), stride_[rank_ - 1], rows, inner, scratch + done);
        done += rows * inner;
      } else {
        const int64_t n = std::min(count - done, inner - index % inner), stride = stride_[rank_ - 1];
        const T* run = at(index);
        for (int64_t i = 0; i < n; ++i) scratch[done + i] = run[i * stride];
        done += n;
      }
    }
    return scratch;
  }

  // Where elements [begin, begin + count) lie if they lie together, else null.
  T* find(int64_t begin, int64_t count) const {
    const int64_t inner = shape_[rank_ - 1];
    const bool together = stride_[rank_ - 1] == 1 && begin / inner == (begin + count - 1) / inner;
    return together ? at(begin) : nullptr;
  }

  void write(int64_t begin, int64_t count, const T* values) const {
    walk(begin, count, [&](T* run, int64_t stride, int64_t n) {
      for (int64_t i = 0; i < n; ++i) run[i * stride] = *values++;
    });
  }

 private:
  T* at(int64_t index) const {
    T* p = data_;
    for (int d = rank_; d-- > 0; index /= shape_[d]) p += index % shape_[d] * stride_[d];
    return p;
  }

  // How many of the next `most` rows (runs of the innermost axis) follow each other along the axis before it.
  int64_t rows_together(int64_t row, int64_t most) const {
    const int64_t size = shape_[rank_ - 2];
    return std::min(most, size - row % size);
  }

  // Calls fn(first, stride, count) for each run of the innermost axis.
  template <class Fn>
  void walk(int64_t begin, int64_t count, Fn&& fn) const {
    const int64_t inner = shape_[rank_ - 1];
    while (count > 0) {
      const int64_t n = std::min(count, inner - begin % inner);
      fn(at(begin), stride_[rank_ - 1], n);
      begin += n;
      count -= n;
    }
  }

  T* data_;
  int rank_ = 0;
  int64_t shape_[kMaxRank], stride_[kMaxRank];
};

// Calls fn(begin, count) for every chunk, or every block, of an array of `size` elements, each from any
// thread. `work_ns` as for parallel_for.
template <class Fn>
void for_each_chunk(int64_t size, double work_ns, Fn&& fn) {
  constexpr int64_t kChunk = 8 * kBlockElements;
  parallel_for(ceil_div(size, kChunk), work_ns,
               [&](int64_t chunk) { fn(chunk * kChunk, std::min(kChunk, size - chunk * kChunk)); });
}

template <class Fn>
void for_each_block(int64_t size, double work_ns, Fn&& fn) {
  for_each_chunk(size, work_ns, [&](int64_t first, int64_t count) {
    for (int64_t begin = first; begin < first + count; begin += kBlockElements) {
      fn(begin, std::min(kBlockElements, first + count - begin));
    }
  });
}

// Copies an array of any strides into a dense one of the same shape, in whatever order of axes.
template <class T>
void copy_dense(const TensorView<const T>& from, const TensorView<T>& to) {
  const OrderedView<const T> source(from, to.stride);
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(from.size());
  for_each_chunk(from.size(), bytes / kBytesPerNs, [&](int64_t begin, int64_t count) {
    const T* values = source.read(begin, count, to.data + begin);
    if (values != to.data + begin) std::copy_n(values, count, to.data + begin);
  });
}

}  // namespace fastnn
