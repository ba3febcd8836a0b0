#include "fastnn/ops/softmax/softmax.h"

#include <algorithm>
#include <cmath>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/softmax/softmax_kernel.h"

namespace fastnn {

template <class T>
void softmax(MatrixView<const T> x, MatrixView<T> y, double* shift, double* log_sum) {
  constexpr int64_t kChunk = 16384;      // elements: some tens of microseconds
  constexpr double kNsPerElement = 1.5;  // an exponential and three passes in the first cache
  const auto kernel = FASTNN_DISPATCH(softmax_row<T>);
  const int64_t rows = std::max<int64_t>(1, kChunk / x.cols);
  const double elements = static_cast<double>(x.rows) * static_cast<double>(x.cols);
  parallel_for(ceil_div(x.rows, rows), elements * kNsPerElement, [&](int64_t chunk) {
    const int64_t end = std::min(x.rows, (chunk + 1) * rows);
    for (int64_t i = chunk * rows; i < end; ++i) {
      SoftmaxRow<T> row{x.cols, x.data + i * x.row_stride, y.data + i * y.row_stride, 0, 0};
      kernel(row);
      if (shift) {
        shift[i] = static_cast<double>(row.shift);
        log_sum[i] = std::log(static_cast<double>(row.sum));
      }
    }
  });
}

template void softmax(MatrixView<const float>, MatrixView<float>, double*, double*);
template void softmax(MatrixView<const double>, MatrixView<double>, double*, double*);

}  // namespace fastnn
