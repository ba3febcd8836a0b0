#include "fastnn/ops/relu/relu.h"

#include "fastnn/base/ordered_view.h"
#include "fastnn/base/past_caches.h"
#include "fastnn/ops/relu/relu_kernel.h"

namespace fastnn {

template <class T>
void relu_forward(const TensorView<const T>& x, const TensorView<T>& y) {
  const ReluKernel<T> kernel = FASTNN_DISPATCH(relu_kernel<T>)();
  const OrderedView<const T> xs(x, y.stride);
  const bool stream = y.data != x.data && goes_past_caches(y.data, y.size());
  const double bytes = 2.0 * sizeof(T) * static_cast<double>(y.size());
  for_each_block(y.size(), bytes / kBytesPerNs, [&](int64_t begin, int64_t count) {
    T scratch[kBlockElements];
    kernel.forward(count, xs.read(begin, count, scratch), y.data + begin, stream);
  });
}

template <class T>
void relu_backward(const TensorView<const T>& dy, const TensorView<const T>& x, const TensorView<T>& dx) {
  const ReluKernel<T> kernel = FASTNN_DISPATCH(relu_kernel<T>)();
  const OrderedView<const T> xs(x, dx.stride), dys(dy, dx.stride);
  const bool stream = dx.data != dy.data && goes_past_caches(dx.data, dx.size());
  const double bytes = 3.0 * sizeof(T) * static_cast<double>(dx.size());
  for_each_block(dx.size(), bytes / kBytesPerNs, [&](int64_t begin, int64_t count) {
    T x_scratch[kBlockElements], dy_scratch[kBlockElements];
    kernel.backward(count, dys.read(begin, count, dy_scratch), xs.read(begin, count, x_scratch),
                    dx.data + begin, stream);
  });
}

#define FASTNN_X(T)                                                             \
  template void relu_forward(const TensorView<const T>&, const TensorView<T>&); \
  template void relu_backward(const TensorView<const T>&, const TensorView<const T>&, const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
