#include "fastnn/ops/dropout/dropout.h"

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/dropout/dropout_kernel.h"

namespace fastnn {
namespace {

constexpr double kNsPerElement = 0.3;

// A dense array of x's shape in the order in which elements are numbered.
template <class T>
TensorView<T> numbered_like(const TensorView<const T>& x) {
  if (x.rank == 4) return channels_last_like<T>(x, nullptr);
  TensorView<T> view{nullptr, x.rank, {}, {}};
  int64_t step = 1;
  for (int d = x.rank; d-- > 0; step *= x.shape[d]) {
    view.shape[d] = x.shape[d];
    view.stride[d] = step;
  }
  return view;
}

}  // namespace

template <class T>
void dropout(const TensorView<const T>& x, const DropoutStream& stream, T scale, const TensorView<T>& y) {
  const DropoutKernel<T> kernel = FASTNN_DISPATCH(dropout_kernel<T>)();
  if (y.size() == 0) return;
  const TensorView<T> order = numbered_like(x);
  const OrderedView<const T> xs(x, order.stride);
  const OrderedView<T> ys(y, order.stride);
  const int64_t size = x.size() / x.shape[0];  // elements an example
  // A piece is at most a block of one example; a chunk is some pieces.
  static_assert(kBlockElements % kUniformsPerCounter == 0);
  const int64_t pieces = ceil_div(size, kBlockElements), total = pieces * x.shape[0];
  const int64_t pieces_a_chunk = ceil_div(8 * kBlockElements, std::min(size, kBlockElements));
  const double work_ns = kNsPerElement * static_cast<double>(x.size());
  parallel_for(ceil_div(total, pieces_a_chunk), work_ns, [&](int64_t chunk) {
    T in[kBlockElements], out[kBlockElements];
    const int64_t last = std::min(total, (chunk + 1) * pieces_a_chunk);
    for (int64_t piece = chunk * pieces_a_chunk; piece < last; ++piece) {
      const int64_t example = piece / pieces, e = piece % pieces * kBlockElements;
      const int64_t begin = example * size + e, count = std::min(kBlockElements, size - e);
      T* together = ys.find(begin, count);
      T* to = together ? together : out;
      kernel.run({count, xs.read(begin, count, in), to, stream.bits,
                  stream.example + static_cast<uint64_t>(example),
                  static_cast<uint64_t>(e / kUniformsPerCounter), stream.threshold, scale});
      if (!together) ys.write(begin, count, out);
    }
  });
}

template void dropout(const TensorView<const float>&, const DropoutStream&, float, const TensorView<float>&);
template void dropout(const TensorView<const double>&, const DropoutStream&, double,
                      const TensorView<double>&);

}  // namespace fastnn
