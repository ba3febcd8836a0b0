#include "fastnn/ops/sgd_update/sgd_update.h"

#include <algorithm>

#include "fastnn/base/parallel.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/sgd_update/sgd_update_kernel.h"

namespace fastnn {

template <class T>
void sgd_update(int64_t count, T* param, const T* grad, T* velocity, const SgdOptions& options) {
  constexpr int64_t kSlice = 16384;  // 320 KB of traffic: some tens of microseconds
  const auto kernel = FASTNN_DISPATCH(sgd_update_slice<T>);
  const double bytes = (velocity ? 5.0 : 3.0) * sizeof(T) * static_cast<double>(count);
  parallel_for(ceil_div(count, kSlice), bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t begin = chunk * kSlice;
    kernel({std::min(kSlice, count - begin), param + begin, grad + begin,
            velocity ? velocity + begin : nullptr, static_cast<T>(options.lr),
            static_cast<T>(options.momentum), static_cast<T>(options.weight_decay), options.nesterov});
  });
}

template void sgd_update(int64_t, float*, const float*, float*, const SgdOptions&);
template void sgd_update(int64_t, double*, const double*, double*, const SgdOptions&);

}  // namespace fastnn
