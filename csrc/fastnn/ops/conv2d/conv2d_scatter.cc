// Direct convolution with few channels, backward to the input.
//
// Three channels fill three lanes of sixteen, but KW taps of three channels fill nine, and they stand side by
// side in dx: from each pixel of dy to the KW pixels of a row of dx that it reaches. So for each row of dx a
// product of matrices, pixels of dy by KW * C columns, sums over filters and over the rows of taps; then the
// columns of neighbouring pixels, which overlap, are added up. No pixel is gathered and no zero multiplied,
// with any stride.
#include "fastnn/ops/conv2d/conv2d_scatter.h"

#include <algorithm>
#include <vector>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/conv2d/conv2d_direct.h"
#include "fastnn/ops/gemm/gemm_kernel.h"

namespace fastnn {
namespace {

constexpr int64_t kPieceBytes = 64 * 1024;  // of dy: it and the next piece stay in the second cache
constexpr int64_t kWantedPieces = 8;        // enough to balance a few threads

template <class T>
struct Scatter {
  const TensorView<const T>& w;
  const TensorView<T>& dx;
  const Conv2dSettings& settings;
  const MatrixView<const T>& residual;
  PixelImages<T> dy;
  GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  Conv2dKernel<T> conv = FASTNN_DISPATCH(conv2d_kernel<T>)();
  const WindowAxis& h = settings.window.h;
  const WindowAxis& v = settings.window.w;
  int64_t filters = w.shape[0], channels = w.shape[1];
  int64_t height = dx.shape[2], row_size = dx.shape[3] * channels;
  int64_t from = dy.view().shape[3];  // pixels of a row of dy
  int64_t columns = v.kernel * channels;
  int64_t width = std::min<int64_t>(gemm.cols, round_up(columns, gemm.lanes));  // of a panel
  int64_t panels = ceil_div(columns, width);
  // Taps side by side in dx, and how far apart pixels of dy are whose taps do not overlap.
  int64_t joined = v.dilation == 1 ? v.kernel : 1;
  int64_t apart = ceil_div(joined, v.stride);
  int64_t overlaps = v.kernel / joined * apart;
  int64_t line_size = channels * std::max((from - 1) * v.stride + v.extent(), dx.shape[3] + v.padding);
  std::vector<Phase> phases = {};  // of rows, by row % stride
  Buffer<T> packed = {};           // [panel][kh][filter][width]

  int64_t panel_size() const { return h.kernel * filters * width; }

  void pack() {
    packed = Buffer<T>(panels * panel_size());
    std::fill_n(packed.get(), panels * panel_size(), T(0));
    for (int64_t kh = 0; kh < h.kernel; ++kh) {
      for (int64_t f = 0; f < filters; ++f) {
        for (int64_t column = 0; column < columns; ++column) {
          const int64_t kw = column / channels, c = column % channels;
          packed[column / width * panel_size() + (kh * filters + f) * width + column % width] =
              w.data[f * w.stride[0] + c * w.stride[1] + kh * w.stride[2] + kw * w.stride[3]];
        }
      }
    }
  }

  // The sums of one row of dx, a column for each tap and channel: products (from, panels * width).
  struct Row {
    const T* image;             // of dy
    int64_t runs;               // rows of taps that meet pixels, and their
    int64_t *pixels, *filters;  // offsets, at most as many as rows of taps
  };

  void set_runs(int64_t n, int64_t i, Row& row) const {
    const Phase& phase = phases[static_cast<size_t>(i % h.stride)];
    const int64_t output = i / h.stride;
    row.image = dy.image(n);
    row.runs = 0;
    for (int64_t t = 0; t < phase.axis.taps; ++t) {
      if (!phase.axis.on_pixels(output, t)) continue;
      row.pixels[row.runs] = phase.axis.input(output, t) * dy.row_stride();
      row.filters[row.runs++] = (phase.tap + t * phase.tap_distance) * filters * width;
    }
  }

  void multiply(const Row& row, const std::vector<int64_t>& begins, T* products, LinesAhead<T>& ahead) const {
    GemmTile<T> tile{};
    tile.runs = row.runs;
    tile.depth = filters;
    tile.a_offset = row.pixels;
    tile.b_offset = row.filters;
    tile.a_row = dy.pixel_stride();
    tile.a_col = 1;
    tile.b_row = width;
    tile.c_row = panels * width;
    for (size_t t = 0; t + 1 < begins.size(); ++t) {
      const int64_t first = begins[t];
      tile.rows = static_cast<int>(begins[t + 1] - first);
      tile.a = row.image + first * tile.a_row;
      tile.ahead = ahead.take(tile.runs * tile.depth);
      for (int64_t j = 0; j < panels; ++j) {
        tile.b = packed.get() + j * panel_size();
        tile.c = products + first * tile.c_row + j * width;
        tile.cols = static_cast<int>(round_up(std::min(width, columns - j * width), gemm.lanes));
        gemm.tile(tile);
      }
    }
  }

  // Every pixel of dy puts its columns into a line of dx that begins at the padding, each on the one line of
  // several where nothing overlaps it.
  void spread(const T* products, T* lines) const {
    ConvGather<T> copy{};
    copy.pixel_stride = apart * panels * width;
    copy.channels = joined * channels;
    copy.channel_stride = copy.repeat = 1;
    copy.out_pixel = apart * v.stride * channels;
    for (int64_t kw = 0; kw < v.kernel; kw += joined) {
      for (int64_t j = 0; j < apart; ++j, lines += line_size) {
        copy.in = products + j * panels * width + kw * channels;
        copy.out = lines + (j * v.stride + kw * v.dilation) * channels;
        copy.pixels = std::max<int64_t>(ceil_div(from - j, apart), 0);
        conv.gather(copy);
      }
    }
  }

  void run() {
    phases.reserve(static_cast<size_t>(h.stride));
    for (int64_t i = 0; i < h.stride; ++i)  // a row's phase is that of row + padding
      phases.push_back(Phase::backward(h, height, (i + h.padding) % h.stride));
    pack();
    const int64_t rows = dx.shape[0] * height;
    const int64_t bytes = dy.view().size() * static_cast<int64_t>(sizeof(T));
    const int64_t pieces = std::min(rows, std::max(kWantedPieces, ceil_div(bytes, kPieceBytes)));
    const int64_t tiles = ceil_div(from, gemm.rows_of(width));
    std::vector<int64_t> begins;
    begins.reserve(static_cast<size_t>(tiles + 1));
    for (int64_t t = 0; t <= tiles; ++t) begins.push_back(part_begin(from, tiles, t));
    const double flops =
        2.0 * static_cast<double>(dy.view().size()) * static_cast<double>(columns * h.kernel);
    parallel_for(pieces, flops / kFlopsPerNs, [&](int64_t piece) {
      // What no pixel reaches stays zero. The last line is the residual's.
      const int64_t count = overlaps + (residual.data ? 1 : 0);
      const Buffer<T> scratch(from * panels * width + count * line_size);
      T *const products = scratch.get(), *const lines = products + from * panels * width;
      std::fill_n(lines, count * line_size, T(0));
      const Buffer<int64_t> offsets(2 * h.kernel);
      Row row{nullptr, 0, offsets.get(), offsets.get() + h.kernel};
      LinesAhead<T> ahead = after(piece, pieces);
      for (int64_t r = part_begin(rows, pieces, piece); r < part_begin(rows, pieces, piece + 1); ++r) {
        set_runs(r / height, r % height, row);
        if (residual.data) copy_residual(r, lines + overlaps * line_size + v.padding * channels);
        multiply(row, begins, products, ahead);
        spread(products, lines);
        conv.sum_rows({lines + v.padding * channels, line_size, count, row_size, dx.data + r * row_size});
      }
    });
  }

  // What this thread will probably read next.
  LinesAhead<T> after(int64_t piece, int64_t pieces) const {
    LinesAhead<T> ahead;
    const int64_t next = piece + 1, images = dx.shape[0];
    if (next >= pieces) return ahead;
    const int64_t image = dy.view().stride[0];
    ahead.add(dy.image(0) + part_begin(images * image, pieces, next),
              dy.image(0) + part_begin(images * image, pieces, next + 1));
    return ahead;
  }

  void copy_residual(int64_t r, T* pixels) const {
    const T* in = residual.data + r * dx.shape[3] * residual.row_stride;
    for (int64_t j = 0; j < dx.shape[3]; ++j)
      std::copy_n(in + j * residual.row_stride, channels, pixels + j * channels);
  }
};

}  // namespace

template <class T>
bool scatter_pays(const TensorView<const T>& dy, const TensorView<T>& dx, const Conv2dSettings& settings,
                  bool jointly) {
  const WindowAxis &h = settings.window.h, &v = settings.window.w;
  if (settings.groups > 1 || dx.size() == 0 || dy.size() == 0) return false;
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t channels = dx.shape[1];
  // Multiply-adds of registers for a row of dx, of one filter and one row of taps; adding up its columns is
  // shared by all of them.
  constexpr double kAdding = 6;
  const double products = static_cast<double>(dy.shape[3] * ceil_div(v.kernel * channels, gemm.lanes));
  const double sums = static_cast<double>(ceil_div(h.kernel, h.stride) * dy.shape[1]);
  int64_t gathering = 0;
  for (int64_t i = 0; i < v.stride; ++i) {
    const TapAxis axis = Phase::backward(v, dx.shape[3], i).axis;
    gathering += jointly && v.stride == 1 ? joint_cost<T>(axis, channels)
                                          : axis.out * axis.taps * ceil_div(channels, gemm.lanes);
  }
  return products * (1 + kAdding / sums) < 0.9 * static_cast<double>(gathering);
}

template <class T>
void scatter_backward_data(const TensorView<const T>& dy, const TensorView<const T>& w,
                           const TensorView<T>& dx, const Conv2dSettings& settings,
                           const MatrixView<const T>& residual) {
  Scatter<T>{w, dx, settings, residual, PixelImages<T>(dy)}.run();
}

#define FASTNN_X(T)                                                                                          \
  template bool scatter_pays(const TensorView<const T>&, const TensorView<T>&, const Conv2dSettings&, bool); \
  template void scatter_backward_data(const TensorView<const T>&, const TensorView<const T>&,                \
                                      const TensorView<T>&, const Conv2dSettings&,                           \
                                      const MatrixView<const T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
