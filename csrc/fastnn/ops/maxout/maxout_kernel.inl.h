#include "fastnn/ops/maxout/maxout_kernel.h"
#include "fastnn/simd/loop.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static void maxout_forward(int64_t pieces, int64_t channels, const T* x, T* y) {
  using V = Vec<T>;
  for_each_register<V>(
      channels, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
        V best = load<V>(x + c, lanes);
        for (int64_t j = 1; j < pieces; ++j) {
          const V piece = load<V>(x + j * channels + c, lanes);
          best = select(beats(piece, best), piece, best);
        }
        store(best, y + c, lanes);
      });
}

template <class T>
static void maxout_backward(int64_t pieces, int64_t channels, const T* dy, const T* x, T* dx) {
  using V = Vec<T>;
  for_each_register<V>(
      channels, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
        V best = load<V>(x + c, lanes), winner = V::zero();
        for (int64_t j = 1; j < pieces; ++j) {
          const V piece = load<V>(x + j * channels + c, lanes);
          const auto wins = beats(piece, best);
          best = select(wins, piece, best);
          winner = select(wins, V::set(T(j)), winner);
        }
        const V gradient = load<V>(dy + c, lanes);
        for (int64_t j = 0; j < pieces; ++j) {
          store(select(winner == V::set(T(j)), gradient, V::zero()), dx + j * channels + c, lanes);
        }
      });
}

template <class T>
MaxoutKernel<T> maxout_kernel() {
  return {maxout_forward<T>, maxout_backward<T>};
}

template MaxoutKernel<float> maxout_kernel<float>();
template MaxoutKernel<double> maxout_kernel<double>();

}  // namespace fastnn::FASTNN_ISA
