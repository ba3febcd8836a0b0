#include "fastnn/ops/maxpool2d/maxpool2d.h"

#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/window_span.h"
#include "fastnn/ops/maxpool2d/maxpool2d_kernel.h"

namespace fastnn {
namespace {

// The part of a band that is the same for a whole call; the arrays' shapes are those of x and y.
template <class T>
MaxPoolBand<T> whole(const Window2d& window, const int64_t* x_shape, const int64_t* y_shape) {
  MaxPoolBand<T> band{};
  band.channels = x_shape[1];
  band.height = x_shape[2];
  band.width = x_shape[3];
  band.out_width = y_shape[3];
  const WindowAxis* axes[2] = {&window.h, &window.w};
  for (int d = 0; d < 2; ++d) {
    band.kernel[d] = axes[d]->kernel;
    band.stride[d] = axes[d]->stride;
    band.padding[d] = axes[d]->padding;
  }
  return band;
}

// Runs `kernel` on bands of all images: in, out and winners are where the first image begins, and move on by
// image.
template <class T>
void run(void (*kernel)(const MaxPoolBand<T>&), const MaxPoolBand<T>& whole, const PixelImages<T>& in,
         const TensorView<T>& out, const Winners<T>& winners, int64_t winners_an_image) {
  const int64_t rows = out.shape[2], out_size = out.shape[1] * rows * out.shape[3];
  const int64_t bands = bands_an_image(rows, out.shape[1] * out.shape[3]);
  const double bytes = 5.0 * sizeof(T) * static_cast<double>(out.size());
  parallel_for(out.shape[0] * bands, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t n = chunk / bands;
    MaxPoolBand<T> band = whole;
    band.row_begin = part_begin(rows, bands, chunk % bands);
    band.row_end = part_begin(rows, bands, chunk % bands + 1);
    band.in = in.image(n);
    band.in_row = in.row_stride();
    band.in_pixel = in.pixel_stride();
    band.out = out.data + n * out_size;
    if (winners.bytes) band.winner_bytes = winners.bytes + n * winners_an_image;
    if (winners.wide) band.winner_wide = winners.wide + n * winners_an_image;
    kernel(band);
  });
}

}  // namespace

template <class T>
void maxpool2d_forward(const TensorView<const T>& x, const Window2d& window, const TensorView<T>& y,
                       const Winners<T>& winners) {
  const MaxPoolKernel<T> kernel = FASTNN_DISPATCH(maxpool2d_kernel<T>)();
  run<T>(kernel.forward, whole<T>(window, x.shape, y.shape), PixelImages<T>(x), y, winners,
         y.shape[1] * y.shape[2] * y.shape[3]);
}

template <class T>
void maxpool2d_backward(const TensorView<const T>& dy, const Winners<T>& winners, const Window2d& window,
                        const TensorView<T>& dx) {
  const MaxPoolKernel<T> kernel = FASTNN_DISPATCH(maxpool2d_kernel<T>)();
  const Covering rows(window.h, dx.shape[2]), cols(window.w, dx.shape[3]);
  MaxPoolBand<T> band = whole<T>(window, dx.shape, dy.shape);
  band.first_row = rows.first.data();
  band.last_row = rows.last.data();
  band.first_col = cols.first.data();
  band.last_col = cols.last.data();
  run<T>(kernel.backward, band, PixelImages<T>(dy), dx, winners, dy.shape[1] * dy.shape[2] * dy.shape[3]);
}

#define FASTNN_X(T)                                                                                  \
  template void maxpool2d_forward(const TensorView<const T>&, const Window2d&, const TensorView<T>&, \
                                  const Winners<T>&);                                                \
  template void maxpool2d_backward(const TensorView<const T>&, const Winners<T>&, const Window2d&,   \
                                   const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
