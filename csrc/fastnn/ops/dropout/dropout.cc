#include "fastnn/ops/dropout/dropout.h"

#include "fastnn/base/numbered_blocks.h"
#include "fastnn/ops/dropout/dropout_kernel.h"

namespace fastnn {
namespace {

constexpr double kNsPerElement = 0.3;
constexpr int64_t kColumns =
    64;  // neighbours with one factor stand for columns: the kernel's registers are full

template <class T>
void drop_elements(const TensorView<const T>& x, const DropoutStream& stream, T scale,
                   const TensorView<T>& y) {
  static_assert(kBlockElements % kUniformsPerCounter == 0);
  const DropoutKernel<T> kernel = FASTNN_DISPATCH(dropout_kernel<T>)();
  for_each_numbered_block(
      x, y, kNsPerElement, [&](int64_t example, int64_t first, int64_t count, const T* in, T* out) {
        kernel.run({count, in, out, stream.bits, stream.example + static_cast<uint64_t>(example),
                    static_cast<uint64_t>(first / kUniformsPerCounter), stream.threshold, scale});
      });
}

// Elements [first, first + count) of images: column c of a row of channels has factors[c].
template <class T>
void scale_pixels(const DropoutKernel<T>& kernel, int64_t channels, int64_t first, int64_t count, const T* x,
                  const T* factors, T* y) {
  if (channels < kColumns) {  // several pixels make a row
    T several[kColumns];
    const int64_t columns = kColumns / channels * channels;
    for (int64_t i = 0; i < columns; ++i) several[i] = factors[(first + i) % channels];
    const int64_t rows = count / columns, done = rows * columns;
    kernel.groups({rows, columns, x, several, y});
    kernel.groups({1, count - done, x + done, several, y + done});
    return;
  }
  while (count > 0) {
    const int64_t c = first % channels;
    const int64_t columns = std::min(count, channels - c);
    const int64_t rows = columns == channels ? count / channels : 1;
    kernel.groups({rows, columns, x, factors + c, y});
    const int64_t done = rows * columns;
    first += done;
    count -= done;
    x += done;
    y += done;
  }
}

// Elements [first, first + count) of an example: those of run r, `length` of them, have factors[r].
template <class T>
void scale_runs(const DropoutKernel<T>& kernel, int64_t length, int64_t first, int64_t count, const T* x,
                const T* factors, T* y) {
  T same[kColumns];
  while (count > 0) {
    const int64_t run = std::min(count, length - first % length), columns = std::min(run, kColumns);
    std::fill_n(same, columns, factors[first / length]);
    const int64_t rows = run / columns, done = rows * columns;
    kernel.groups({rows, columns, x, same, y});
    first += done;
    count -= done;
    x += done;
    y += done;
  }
}

}  // namespace

template <class T>
void dropout(const TensorView<const T>& x, const DropoutStream& stream, T scale, DropoutGroup group,
             const TensorView<T>& y) {
  const bool one = group == DropoutGroup::example || x.rank == 1;
  if (x.size() == 0) return;
  if (group == DropoutGroup::element || (!one && x.rank == 2)) return drop_elements(x, stream, scale, y);
  // Factors of the groups, (N, groups): what dropout makes of ones.
  const int64_t examples = x.shape[0], groups = one ? 1 : x.shape[1], size = x.size() / examples;
  Buffer<T> factors(examples * groups), ones(examples * groups);
  std::fill_n(ones.get(), examples * groups, T(1));
  const auto table = [&](auto* data) {
    return TensorView<std::remove_pointer_t<decltype(data)>>{data, 2, {examples, groups}, {groups, 1}};
  };
  drop_elements<T>(table(static_cast<const T*>(ones.get())), stream, scale, table(factors.get()));
  const DropoutKernel<T> kernel = FASTNN_DISPATCH(dropout_kernel<T>)();
  for_each_numbered_block(x, y, kNsPerElement,
                          [&](int64_t example, int64_t first, int64_t count, const T* in, T* out) {
                            const T* own = factors.get() + example * groups;
                            if (!one && x.rank == 4) {
                              scale_pixels(kernel, groups, first, count, in, own, out);
                            } else {
                              scale_runs(kernel, size / groups, first, count, in, own, out);
                            }
                          });
}

#define FASTNN_X(T)                                                                        \
  template void dropout(const TensorView<const T>&, const DropoutStream&, T, DropoutGroup, \
                        const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
