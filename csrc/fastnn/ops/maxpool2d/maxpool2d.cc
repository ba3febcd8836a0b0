#include "fastnn/ops/maxpool2d/maxpool2d.h"

#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/maxpool2d/maxpool2d_kernel.h"

namespace fastnn {
namespace {

// Runs `kernel` on bands of all images. `rows` and `cols` belong to the rows and columns of `out`, y is the
// shape of the pooled images.
template <class T>
void run(void (*kernel)(const MaxPoolBand<T>&), const TensorView<const T>& in, const Span& rows,
         const Span& cols, const PoolWindows& windows, const TensorView<T>& out, const Winners<T>& winners,
         const int64_t* y_shape) {
  const PixelImages<T> images(in);
  const int64_t height = out.shape[2], width = out.shape[3], channels = out.shape[1];
  const int64_t bands = bands_an_image(height, channels * width), cells = windows.cols.longest();
  const bool apart = rows.longest() <= 1 && cols.longest() <= 1;
  const double bytes = 5.0 * sizeof(T) * static_cast<double>(out.size());
  parallel_for(out.shape[0] * bands, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t n = chunk / bands, own = windows.shared ? 0 : n;
    const int64_t pooled = n * channels * y_shape[2] * y_shape[3];
    MaxPoolBand<T> band{};
    band.row_begin = part_begin(height, bands, chunk % bands);
    band.row_end = part_begin(height, bands, chunk % bands + 1);
    band.width = width;
    band.channels = channels;
    band.out_width = y_shape[3];
    band.cells = cells;
    band.in = images.image(n);
    band.in_row = images.row_stride();
    band.in_pixel = images.pixel_stride();
    band.out = out.data + n * height * width * channels;
    if (winners.bytes) band.winner_bytes = winners.bytes + pooled;
    if (winners.wide) band.winner_wide = winners.wide + pooled;
    band.first_row = rows.first.data() + own * height;
    band.last_row = rows.last.data() + own * height;
    band.first_col = cols.first.data() + own * width;
    band.last_col = cols.last.data() + own * width;
    band.window_row = windows.rows.first.data() + own * y_shape[2];
    band.window_col = windows.cols.first.data() + own * y_shape[3];
    band.apart = apart;
    kernel(band);
  });
}

}  // namespace

template <class T>
void maxpool2d_forward(const TensorView<const T>& x, const PoolWindows& windows, const TensorView<T>& y,
                       const Winners<T>& winners) {
  run<T>(FASTNN_DISPATCH(maxpool2d_kernel<T>)().forward, x, windows.rows, windows.cols, windows, y, winners,
         y.shape);
}

template <class T>
void maxpool2d_backward(const TensorView<const T>& dy, const Winners<T>& winners, const PoolWindows& windows,
                        const TensorView<T>& dx) {
  run<T>(FASTNN_DISPATCH(maxpool2d_kernel<T>)().backward, dy,
         covering(windows.rows, dy.shape[2], dx.shape[2]), covering(windows.cols, dy.shape[3], dx.shape[3]),
         windows, dx, winners, dy.shape);
}

#define FASTNN_X(T)                                                                                     \
  template void maxpool2d_forward(const TensorView<const T>&, const PoolWindows&, const TensorView<T>&, \
                                  const Winners<T>&);                                                   \
  template void maxpool2d_backward(const TensorView<const T>&, const Winners<T>&, const PoolWindows&,   \
                                   const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
