#include "fastnn/ops/linear/linear.h"

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
  if (dw.data) gemm<T>(dy.transposed(), x, dw);
  if (db) column_sums<T>(dy, db);
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
