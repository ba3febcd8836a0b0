#include "fastnn/ops/avgpool2d/avgpool2d.h"

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/avgpool2d/avgpool2d_kernel.h"

namespace fastnn {
namespace {

// 1/cells of every window, (OH, OW).
template <class T>
Buffer<T> shares(const PoolWindows& counted) {
  const int64_t oh = counted.rows.size(), ow = counted.cols.size();
  Buffer<T> share(oh * ow);
  for (int64_t i = 0; i < oh; ++i) {
    for (int64_t j = 0; j < ow; ++j) {
      const int64_t cells = counted.rows.length(i) * counted.cols.length(j);
      share[i * ow + j] = static_cast<T>(1.0 / static_cast<double>(cells));
    }
  }
  return share;
}

template <class T>
void run(void (*kernel)(const AvgPoolBand<T>&), const TensorView<const T>& in, const Span& rows,
         const Span& cols, const T* share, const TensorView<T>& out) {
  const PixelImages<T> images(in);
  const int64_t height = out.shape[2], width = out.shape[3], channels = out.shape[1];
  const int64_t bands = bands_an_image(height, width * channels);
  const double bytes = sizeof(T) * static_cast<double>(in.size() + out.size());
  parallel_for(out.shape[0] * bands, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t n = chunk / bands;
    AvgPoolBand<T> band{};
    band.row_begin = part_begin(height, bands, chunk % bands);
    band.row_end = part_begin(height, bands, chunk % bands + 1);
    band.width = width;
    band.channels = channels;
    band.in = images.image(n);
    band.in_row = images.row_stride();
    band.in_pixel = images.pixel_stride();
    band.in_width = in.shape[3];
    band.out = out.data + n * height * width * channels;
    band.first_row = rows.first.data();
    band.last_row = rows.last.data();
    band.first_col = cols.first.data();
    band.last_col = cols.last.data();
    band.share = share;
    kernel(band);
  });
}

}  // namespace

template <class T>
void avgpool2d_forward(const TensorView<const T>& x, const PoolWindows& windows, const PoolWindows& counted,
                       const TensorView<T>& y) {
  const Buffer<T> share = shares<T>(counted);
  run<T>(FASTNN_DISPATCH(avgpool2d_kernel<T>)().forward, x, windows.rows, windows.cols, share.get(), y);
}

template <class T>
void avgpool2d_backward(const TensorView<const T>& dy, const PoolWindows& windows, const PoolWindows& counted,
                        const TensorView<T>& dx) {
  const Buffer<T> share = shares<T>(counted);
  run<T>(FASTNN_DISPATCH(avgpool2d_kernel<T>)().backward, dy,
         covering(windows.rows, dy.shape[2], dx.shape[2]), covering(windows.cols, dy.shape[3], dx.shape[3]),
         share.get(), dx);
}

#define FASTNN_X(T)                                                                                    \
  template void avgpool2d_forward(const TensorView<const T>&, const PoolWindows&, const PoolWindows&,  \
                                  const TensorView<T>&);                                               \
  template void avgpool2d_backward(const TensorView<const T>&, const PoolWindows&, const PoolWindows&, \
                                   const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
