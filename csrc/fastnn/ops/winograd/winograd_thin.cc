// The thin form, for few channels. Its products are so short that planes of them would cost more to write and
// read than to compute: one tile and one register of filters at a time, they go from multiplication into the
// output's transform without leaving the registers. Only transformed pixels lie in memory, those of a row of
// tiles, in the first cache.
#include "fastnn/ops/winograd/winograd_thin.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fastnn/base/allocator.h"
#include "fastnn/base/parallel.h"
#include "fastnn/ops/winograd/winograd.h"
#include "fastnn/ops/winograd/winograd_filters.h"

namespace fastnn {
namespace {

// Squares of pixels: rows lie `row` apart, columns `pixel`, channels `channel`.
template <class T>
struct PixelCopy {
  const T* from;
  int64_t row, pixel, channel, rows, columns;
  T* to;  // where columns follow one another
  int64_t to_row;
};

// Asks for the rows below those.
template <class T, int kChannels, bool kDense>
void copy_pixels(const PixelCopy<T>& g) {
  const int64_t columns = g.columns, pixel = g.pixel, channel = g.channel, below = g.rows * g.row;
  for (int64_t y = 0; y < g.rows; ++y) {
    const T* from = g.from + y * g.row;
    T* to = g.to + y * g.to_row;
    int64_t i = 0;
    if constexpr (kDense && kChannels == 3) {
      // Four numbers are one move; the fourth is of the pixel beside, and written over.
      for (; i + 1 < columns; ++i, from += pixel, to += kChannels) {
        std::memcpy(to, from, 4 * sizeof(T));
        __builtin_prefetch(from + below, 0, 2);
      }
    }
    for (; i < columns; ++i, from += pixel, to += kChannels) {
      T numbers[kChannels];
      for (int64_t c = 0; c < kChannels; ++c) numbers[c] = from[kDense ? c : c * channel];
      for (int64_t c = 0; c < kChannels; ++c) to[c] = numbers[c];
      __builtin_prefetch(from + below, 0, 2);
    }
  }
}

template <class T>
void copy_pixels(const PixelCopy<T>& g, int64_t channels) {
  const auto run = [&](auto dense, auto strided) {
    (g.channel == 1 && g.pixel >= channels ? dense : strided)(g);
  };
  switch (channels) {
    case 1:
      return copy_pixels<T, 1, true>(g);
    case 2:
      return run(copy_pixels<T, 2, true>, copy_pixels<T, 2, false>);
    case 3:
      return run(copy_pixels<T, 3, true>, copy_pixels<T, 3, false>);
    default:
      return run(copy_pixels<T, kThinChannels, true>, copy_pixels<T, kThinChannels, false>);
  }
}

// One register of filters after another: [panel][plane][channel][lane].
template <class T>
Buffer<T> thin_filters(const WinogradKernel<T>& winograd, const TensorView<const T>& w) {
  const int64_t f = w.shape[0], c = w.shape[1], lanes = winograd.lanes,
                planes = winograd.shape.filters * winograd.shape.filters;
  Buffer<T> filters(planes * c * round_up(f, lanes));
  for (int64_t f0 = 0; f0 < f; f0 += lanes) {
    transform_square(winograd, w, f0, std::min(lanes, f - f0), 0, c, lanes, filters.get() + f0 * planes * c,
                     c * lanes);
  }
  return filters;
}

}  // namespace

bool winograd_is_thin(int m, int64_t stride, int64_t channels) {
  return m == 4 && stride == 1 && channels <= kThinChannels;
}

int64_t winograd_thin_channels() { return kThinChannels; }

template <class T>
ThinRows<T>::ThinRows(const WinogradKernel<T>& kernel, const Tiling& cut, const TensorView<const T>& images)
    : winograd(kernel), tiling(cut), x(images) {
  // A register is read from wherever a tile of the row begins.
  phase = round_up((tiling.grid.cols + 1) * x.shape[1], winograd.lanes) + winograd.lanes;
}

template <class T>
Buffer<T> ThinRows<T>::split(int64_t first, int64_t rows) const {
  const int64_t m = winograd.shape.tile, channels = x.shape[1];
  const int64_t image = first / tiling.grid.rows, top = tiling.in.top + first % tiling.grid.rows * m,
                left = tiling.in.left, height = rows * m + winograd.shape.window - m,
                columns = tiling.grid.cols * m + winograd.shape.window - m;
  Buffer<T> pixels(height * m * phase);
  std::fill_n(pixels.get(), height * m * phase, T(0));
  const int64_t above = std::max<int64_t>(0, -top), below = std::min(height, x.shape[2] - top);
  for (int64_t k = 0; k < m && above < below; ++k) {
    // Columns k, k + m, ... of the windows that are inside the image.
    const int64_t begin = ceil_div(std::max<int64_t>(-left - k, 0), m),
                  end = ceil_div(std::max<int64_t>(std::min(columns, x.shape[3] - left) - k, 0), m);
    const T* from =
        x.data + image * x.stride[0] + (top + above) * x.stride[2] + (begin * m + k + left) * x.stride[3];
    copy_pixels<T>({from, x.stride[2], m * x.stride[3], x.stride[1], below - above, end - begin,
                    pixels.get() + (above * m + k) * phase + begin * channels, m * phase},
                   channels);
  }
  return pixels;
}

template <class T>
void ThinRows<T>::transform(const T* pixels, int64_t row, int64_t tile, int64_t tiles, T* planes) const {
  const int64_t m = winograd.shape.tile, channels = x.shape[1];
  winograd.thin_gather(
      {pixels + row * m * m * phase + tile * channels, m * phase, phase, channels, tiles * channels, planes});
}

template <class T>
void ThinRows<T>::transform_rows(const T* pixels, int64_t rows, int64_t tile, int64_t tiles,
                                 T* planes) const {
  const int64_t m = winograd.shape.tile, channels = x.shape[1];
  winograd.thin_gather_rows({pixels + tile * channels, m * phase, phase, channels, tiles * channels, planes},
                            rows);
}

template <class T>
void thin_forward(const TensorView<const T>& x, const TensorView<const T>& w, int64_t pad_h, int64_t pad_w,
                  const TensorView<T>& y, const Epilogue<T>& epilogue, Kept* kept) {
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(WinogradForm::four);
  const WinogradShape& shape = winograd.shape;
  const Tiling tiling(WinogradForm::four, shape, y.shape, pad_h, pad_w);
  const TileGrid& grid = tiling.grid;
  if (grid.count() == 0) return;
  const int64_t c = x.shape[1], f = y.shape[1], lanes = winograd.lanes, panels = ceil_div(f, lanes);
  const KeptOr<Buffer<T>> filters({kept}, [&] { return thin_filters(winograd, w); });
  const ThinRows<T> thin(winograd, tiling, x);
  // A band's first and last rows of pixels are copied for its neighbours too. Few rows in all are shared by
  // threads nevertheless.
  const ThinBands bands(grid, grid.images * grid.rows < 64 ? 2 : 8);
  Buffer<T> statistics(epilogue.mean ? 2 * bands.count * f : 0);
  Buffer<int64_t> seen(bands.count);
  const TensorView<const T> added = residual_pixels(epilogue.residual, y);
  const int64_t planes = shape.products * shape.products, strips = thin.strips();
  const double flops = 2.0 * static_cast<double>(planes * grid.count() * c) * static_cast<double>(f);
  parallel_for(bands.count, flops / kFlopsPerNs, [&](int64_t band) {
    const int64_t first = bands.begin(band), rows = bands.begin(band + 1) - first;
    const Buffer<T> pixels = thin.split(first, rows);
    Buffer<T> data(planes * kThinPlane);
    WinogradThinTiles<T> out{};
    out.depth = static_cast<int>(c);
    out.tile.relu = epilogue.relu;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t s = 0; s < strips; ++s) {
        const int64_t t0 = thin.strip_begin(s), tiles = thin.strip_begin(s + 1) - t0;
        const TileCursor at(grid, (first + i) * grid.cols + t0);
        thin.transform(pixels.get(), i, t0, tiles, data.get());
        out.tiles = tiles;
        out.width = y.shape[3] - tiling.out.left_of(at);
        out.tile.in = data.get();
        for (int64_t panel = 0; panel < panels; ++panel) {
          const int64_t f0 = panel * lanes;
          out.filters = filters->get() + f0 * planes * c;
          out.tile.channels = std::min(lanes, f - f0);
          out.tile.bias = epilogue.bias ? epilogue.bias + f0 : nullptr;
          if (epilogue.mean) {
            out.tile.mean = statistics.get() + band * f + f0;
            out.tile.sum_squares = out.tile.mean + bands.count * f;
          }
          out.tile.pixels = patch_of(y, tiling.out, at);
          out.tile.pixels.corner += f0;
          if (added.data) {
            out.tile.residual = patch_of(added, tiling.out, at);
            out.tile.residual.corner += f0;
          }
          winograd.thin_tiles(out);
        }
        const int64_t height = out.tile.pixels.bottom - out.tile.pixels.top;
        out.tile.seen += height * std::min(out.width, tiles * shape.tile);
      }
    }
    seen[band] = out.tile.seen;
  });
  if (epilogue.mean) {
    gemm_join_statistics(statistics.get(), statistics.get() + bands.count * f, seen.get(), bands.count, f,
                         epilogue);
  }
}

#define FASTNN_X(T)                                                                                    \
  template struct ThinRows<T>;                                                                         \
  template void thin_forward(const TensorView<const T>&, const TensorView<const T>&, int64_t, int64_t, \
                             const TensorView<T>&, const Epilogue<T>&, Kept*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
