// Mean and biased variance of the columns of a product, (2, n) in double, as its epilogue takes them.
#pragma once

#include "array_arg.h"
#include "fastnn/ops/gemm/gemm.h"

namespace fastnn::python {

class ColumnStatistics {
 public:
  explicit ColumnStatistics(int64_t columns) : columns_(columns), values_(new_array<double>({2, columns})) {}

  template <class T>
  void give_to(Epilogue<T>& epilogue) {
    epilogue.mean = values_.mutable_data();
    epilogue.sum_squares = epilogue.mean + columns_;
  }

  // The array, once the product of `rows` rows is done.
  py::array of(int64_t rows) {
    double* squares = values_.mutable_data() + columns_;
    for (int64_t i = 0; i < columns_; ++i) squares[i] /= static_cast<double>(rows);
    return values_;
  }

 private:
  int64_t columns_;
  py::array_t<double> values_;
};

}  // namespace fastnn::python
