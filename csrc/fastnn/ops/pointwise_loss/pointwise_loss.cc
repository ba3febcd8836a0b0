#include "fastnn/ops/pointwise_loss/pointwise_loss.h"

#include <algorithm>

#include "fastnn/base/allocator.h"
#include "fastnn/base/example_weights.h"
#include "fastnn/base/ordered_view.h"
#include "fastnn/ops/pointwise_loss/pointwise_loss_kernel.h"

namespace fastnn {
namespace {

constexpr double kNsPerElement = 0.5;  // two reads; more where there is an exponential

// Weights of elements [begin, begin + count), each that of its example; null without weights.
template <class T>
const T* element_weights(const T* weights, int64_t per_example, int64_t begin, int64_t count, T* scratch) {
  if (!weights) return nullptr;
  for (int64_t i = 0; i < count;) {
    const int64_t example = (begin + i) / per_example;
    const int64_t end = std::min(count, (example + 1) * per_example - begin);
    std::fill(scratch + i, scratch + end, weights[example]);
    i = end;
  }
  return scratch;
}

}  // namespace

template <class T>
double pointwise_loss_forward(const char* op, const TensorView<const T>& scores,
                              const TensorView<const T>& targets, const T* weights, const int64_t* order,
                              const PointwiseLossOptions& options) {
  const double total_weight = checked_weight_sum(op, scores.shape[0], weights);
  const PointwiseLossKernel<T> kernel = FASTNN_DISPATCH(pointwise_loss_kernel<T>)(options.loss);
  const OrderedView<const T> ss(scores, order), ts(targets, order);
  const int64_t size = scores.size(), per_example = size / scores.shape[0];
  const int64_t blocks = ceil_div(size, kBlockElements);
  Buffer<double> sums(blocks);
  double* sum = sums.get();
  for_each_block(size, kNsPerElement * static_cast<double>(size), [&](int64_t begin, int64_t count) {
    T s_scratch[kBlockElements], t_scratch[kBlockElements], w_scratch[kBlockElements];
    const T* w = element_weights(weights, per_example, begin, count, w_scratch);
    const PointwiseLossBlock<T> block{
        count, ss.read(begin, count, s_scratch), ts.read(begin, count, t_scratch),
        w,     static_cast<T>(options.delta),    nullptr,
        0};
    sum[begin / kBlockElements] = static_cast<double>(kernel.forward(block));
  });
  double total = 0;
  for (int64_t i = 0; i < blocks; ++i) total += sum[i];
  return total / (total_weight * static_cast<double>(per_example));
}

template <class T>
void pointwise_loss_backward(const char* op, double dvalue, const TensorView<const T>& scores,
                             const TensorView<const T>& targets, const T* weights,
                             const TensorView<T>& dscores, const PointwiseLossOptions& options) {
  const double total_weight = checked_weight_sum(op, scores.shape[0], weights);
  const PointwiseLossKernel<T> kernel = FASTNN_DISPATCH(pointwise_loss_kernel<T>)(options.loss);
  const OrderedView<const T> ss(scores, dscores.stride), ts(targets, dscores.stride);
  const int64_t size = scores.size(), per_example = size / scores.shape[0];
  const T scale = static_cast<T>(dvalue / (total_weight * static_cast<double>(per_example)));
  for_each_block(size, kNsPerElement * static_cast<double>(size), [&](int64_t begin, int64_t count) {
    T s_scratch[kBlockElements], t_scratch[kBlockElements], w_scratch[kBlockElements];
    const T* w = element_weights(weights, per_example, begin, count, w_scratch);
    kernel.backward({count, ss.read(begin, count, s_scratch), ts.read(begin, count, t_scratch), w,
                     static_cast<T>(options.delta), dscores.data + begin, scale});
  });
}

#define FASTNN_X(T)                                                                                 \
  template double pointwise_loss_forward(const char*, const TensorView<const T>&,                   \
                                         const TensorView<const T>&, const T*, const int64_t*,      \
                                         const PointwiseLossOptions&);                              \
  template void pointwise_loss_backward(const char*, double, const TensorView<const T>&,            \
                                        const TensorView<const T>&, const T*, const TensorView<T>&, \
                                        const PointwiseLossOptions&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
