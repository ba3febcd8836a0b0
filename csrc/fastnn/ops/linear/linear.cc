#include "fastnn/ops/linear/linear.h"

#include <algorithm>

namespace fastnn {

template <class T>
void linear_forward(MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> y,
                    const Prologue<T>& prologue, const Epilogue<T>& epilogue) {
  gemm<T>(x, w.transposed(), y, prologue, epilogue);
}

template <class T>
void linear_backward(MatrixView<const T> dy, MatrixView<const T> x, MatrixView<const T> w, MatrixView<T> dx,
                     MatrixView<T> dw, T* db) {
  if (dx.data) gemm<T>(dy, w, dx);
  gemm<T>(dy.transposed(), x, dw);
  if (db) {
    // A row of ones times dy is its column sums, and a one-row product is as fast as memory.
    Buffer<T> ones(dy.rows);
    std::fill_n(ones.get(), dy.rows, T(1));
    gemm<T>(row_major<const T>(ones.get(), 1, dy.rows), dy, row_major(db, 1, dy.cols));
  }
}

#define FASTNN_X(T)                                                                                         \
  template void linear_forward(MatrixView<const T>, MatrixView<const T>, MatrixView<T>, const Prologue<T>&, \
                               const Epilogue<T>&);                                                         \
  template void linear_backward(MatrixView<const T>, MatrixView<const T>, MatrixView<const T>,              \
                                MatrixView<T>, MatrixView<T>, T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
