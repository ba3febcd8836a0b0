#include "fastnn/ops/gaussian_noise/gaussian_noise.h"

#include "fastnn/base/numbered_blocks.h"
#include "fastnn/ops/gaussian_noise/gaussian_noise_kernel.h"

namespace fastnn {

constexpr double kNsPerElement = 1.5;  // a logarithm, a root, a sine and a cosine every two

template <class T>
void gaussian_noise(const TensorView<const T>& x, const NoiseStream& stream, T std, const TensorView<T>& y) {
  static_assert(kBlockElements % kNormalsPerCounter == 0);
  const auto kernel = FASTNN_DISPATCH(gaussian_noise_run<T>);
  for_each_numbered_block(
      x, y, kNsPerElement, [&](int64_t example, int64_t first, int64_t count, const T* in, T* out) {
        kernel({count, in, out, stream.bits, stream.example + static_cast<uint64_t>(example),
                static_cast<uint64_t>(first / kNormalsPerCounter), std});
      });
}

template void gaussian_noise(const TensorView<const float>&, const NoiseStream&, float,
                             const TensorView<float>&);
template void gaussian_noise(const TensorView<const double>&, const NoiseStream&, double,
                             const TensorView<double>&);

}  // namespace fastnn
