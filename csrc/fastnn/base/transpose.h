// Matrices rearranged from columns to rows.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fastnn {

// to[r * to_stride + c] = from[c * from_stride + r] for four rows r and kCols columns c. Writes four columns
// of each row: whatever belongs after the kCols-th must be written later. Goes through registers: element by
// element it takes about twice as long.
template <int kCols, class T>
inline void transpose_square(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < kCols; ++c) to[r * to_stride + c] = from[c * from_stride + r];
  }
}

#if defined(__SSE2__)
template <int kCols>
inline void transpose_square(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  __m128 rows[4];
  for (int c = 0; c < 4; ++c) rows[c] = _mm_loadu_ps(from + std::min(c, kCols - 1) * from_stride);
  _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
  for (int r = 0; r < 4; ++r) _mm_storeu_ps(to + r * to_stride, rows[r]);
}
#endif

// Up to three columns: rows are written in order, each over what the one before it wrote too far.
template <int kCols, class T>
void transpose_few(const T* from, int64_t from_stride, int64_t rows, T* to) {
  int64_t r = 0;
  for (; r + 4 < rows; r += 4) transpose_square<kCols>(from + r, from_stride, to + r * kCols, kCols);
  for (; r < rows; ++r) {
    for (int c = 0; c < kCols; ++c) to[r * kCols + c] = from[c * from_stride + r];
  }
}

// to[r * to_stride + c] = from[c * from_stride + r].
template <class T>
void transpose(const T* from, int64_t from_stride, int64_t rows, int64_t cols, T* to, int64_t to_stride) {
  if (cols == 2 && to_stride == 2) return transpose_few<2>(from, from_stride, rows, to);
  if (cols == 3 && to_stride == 3) return transpose_few<3>(from, from_stride, rows, to);
  constexpr int64_t kLine = 64 / sizeof(T);  // of each column a cache line at a time
  for (int64_t first = 0; first < rows; first += kLine) {
    const int64_t end = std::min(rows, first + kLine);
    for (int64_t c = 0; c < cols; c += 4) {
      int64_t r = first;
      for (; c + 4 <= cols && r + 4 <= end; r += 4) {
        transpose_square<4>(from + c * from_stride + r, from_stride, to + r * to_stride + c, to_stride);
      }
      for (; r < end; ++r) {
        for (int64_t i = c; i < std::min(cols, c + 4); ++i) to[r * to_stride + i] = from[i * from_stride + r];
      }
    }
  }
}

// The same with rows that follow each other.
template <class T>
void transpose(const T* from, int64_t from_stride, int64_t rows, int64_t cols, T* to) {
  transpose(from, from_stride, rows, cols, to, cols);
}

}  // namespace fastnn
