#include "fastnn/ops/activation/activation.h"

#include "fastnn/base/ordered_view.h"

namespace fastnn {
namespace {

constexpr double kNsPerElement = 1;  // an exponential and a quotient

template <class T, class Fn>
void for_each_costly_block(const TensorView<T>& result, Fn&& fn) {
  for_each_block(result.size(), kNsPerElement * static_cast<double>(result.size()), fn);
}

}  // namespace

template <class T>
void activation_forward(const ActivationSpec& spec, const TensorView<const T>& x, const TensorView<T>& y) {
  const ActivationKernel<T> kernel = FASTNN_DISPATCH(activation_kernel<T>)(spec.function);
  const OrderedView<const T> xs(x, y.stride);
  for_each_costly_block(y, [&](int64_t begin, int64_t count) {
    T scratch[kBlockElements];
    kernel.forward(spec, count, xs.read(begin, count, scratch), y.data + begin);
  });
}

template <class T>
void activation_backward(const ActivationSpec& spec, const TensorView<const T>& dy,
                         const TensorView<const T>& kept, const TensorView<T>& dx) {
  const ActivationKernel<T> kernel = FASTNN_DISPATCH(activation_kernel<T>)(spec.function);
  const OrderedView<const T> kept_values(kept, dx.stride), dys(dy, dx.stride);
  for_each_costly_block(dx, [&](int64_t begin, int64_t count) {
    T kept_scratch[kBlockElements], dy_scratch[kBlockElements];
    kernel.backward(spec, count, dys.read(begin, count, dy_scratch),
                    kept_values.read(begin, count, kept_scratch), dx.data + begin);
  });
}

#define FASTNN_X(T)                                                                                          \
  template void activation_forward(const ActivationSpec&, const TensorView<const T>&, const TensorView<T>&); \
  template void activation_backward(const ActivationSpec&, const TensorView<const T>&,                       \
                                    const TensorView<const T>&, const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
