// The gradient of the filters in the thin form. Only rows are transformed, where four pixels take 18 products
// a channel and filter in place of 36: in both directions they would take 9, but so many sums do not stay in
// registers, and to transform dy would cost what is left of the gain.
#include <algorithm>

#include "fastnn/base/allocator.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/winograd/winograd.h"
#include "fastnn/ops/winograd/winograd_thin.h"

namespace fastnn {
namespace {

constexpr int64_t kBandBytes = 40'000;  // of dy: near when they are read again
constexpr int64_t kMostParts = 16;      // partial sums
constexpr int64_t kPartPixels = 512;    // fewer would spend their time on adding parts up

template <class T>
struct ThinWeights {
  TensorView<const T> dy;  // channels together
  const WinogradKernel<T>& winograd;
  const Tiling& tiling;
  ThinRows<T> thin;
  bool need_db;
  int64_t c = thin.x.shape[1], f = dy.shape[1], lanes = winograd.lanes, panels = ceil_div(f, lanes);
  int64_t sums = (3 * winograd.shape.products * c + 1) * lanes;  // of a panel
  int64_t tile_row = winograd.shape.tile * dy.shape[3] * f * static_cast<int64_t>(sizeof(T));
  ThinBands bands{tiling.grid, std::clamp<int64_t>(kBandBytes / tile_row, 1, 8)};

  // Bands first to end: rows of taps by channels, [row of f], and one of db.
  void add_up(int64_t first, int64_t end, T* taps) const {
    const Buffer<T> sum(panels * sums);
    std::fill_n(sum.get(), panels * sums, T(0));
    for (int64_t band = first; band < end; ++band)
      add_band(bands.begin(band), bands.begin(band + 1), sum.get());
    for (int64_t panel = 0; panel < panels; ++panel) {
      winograd.thin_gradient(sum.get() + panel * sums, static_cast<int>(c), filters(panel),
                             taps + panel * lanes, f);
    }
  }

 private:
  int filters(int64_t panel) const { return static_cast<int>(std::min(lanes, f - panel * lanes)); }

  void add_band(int64_t first, int64_t end, T* sum) const {
    const int64_t m = winograd.shape.tile, halo = winograd.shape.window - m;
    const int64_t image = first / tiling.grid.rows, top = first % tiling.grid.rows * m;
    const Buffer<T> pixels = thin.split(first, end - first);
    WinogradThinSums<T> g{};
    g.row = dy.stride[2];
    g.col = dy.stride[3];
    g.rows = std::min((end - first) * m, dy.shape[2] - top);
    g.ahead = g.rows * g.row;
    g.depth = static_cast<int>(c);
    g.bias = need_db;
    const Buffer<T> data((g.rows + halo) * winograd.shape.data * kThinPlane);
    g.data = data.get();
    for (int64_t s = 0; s < thin.strips(); ++s) {
      const int64_t tile = thin.strip_begin(s), tiles = thin.strip_begin(s + 1) - tile;
      thin.transform_rows(pixels.get(), g.rows + halo, tile, tiles, data.get());
      g.width = std::min(tiles * m, dy.shape[3] - tile * m);
      for (int64_t panel = 0; panel < panels; ++panel) {
        g.dy = dy.data + image * dy.stride[0] + top * g.row + tile * m * g.col + panel * lanes;
        g.filters = filters(panel);
        g.sums = sum + panel * sums;
        winograd.thin_sums(g);
      }
    }
  }
};

}  // namespace

template <class T>
void winograd_thin_backward_weights(TensorView<const T> dy, TensorView<const T> x, int64_t pad_h,
                                    int64_t pad_w, T* dw, T* db) {
  const PixelImages<T> dy_images(dy);
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(WinogradForm::four);
  const Tiling tiling(WinogradForm::four, winograd.shape, dy.shape, pad_h, pad_w);
  const ThinWeights<T> weights{dy_images.view(), winograd, tiling, {winograd, tiling, x}, db != nullptr};
  const int64_t c = weights.c, f = weights.f, rows = 9 * c + 1, pixels = dy.size() / f,
                bands = weights.bands.count;
  const int64_t parts = std::min({bands, kMostParts, std::max<int64_t>(pixels / kPartPixels, 1)});
  const Buffer<T> partial(parts * rows * f);
  const double flops = 2.0 * 18 / 4 * static_cast<double>(dy.size() * c);
  parallel_for(parts, flops / kFlopsPerNs, [&](int64_t part) {
    weights.add_up(part_begin(bands, parts, part), part_begin(bands, parts, part + 1),
                   partial.get() + part * rows * f);
  });
  // In their order and in double: one float sum over a whole batch would lose digits.
  const double bytes = static_cast<double>(parts * rows * f) * sizeof(T);
  parallel_for(rows, bytes / kBytesPerNs, [&](int64_t row) {
    const Buffer<double> sum(f);
    std::fill_n(sum.get(), f, 0.0);
    for (int64_t part = 0; part < parts; ++part) {
      const T* addend = partial.get() + (part * rows + row) * f;
      for (int64_t i = 0; i < f; ++i) sum.get()[i] += static_cast<double>(addend[i]);
    }
    T* const to = row < 9 * c ? dw + row % c * 9 + row / c : db;
    const int64_t step = row < 9 * c ? 9 * c : 1;
    for (int64_t i = 0; to && i < f; ++i) to[i * step] = static_cast<T>(sum.get()[i]);
  });
}

template void winograd_thin_backward_weights(TensorView<const float>, TensorView<const float>, int64_t,
                                             int64_t, float*, float*);
template void winograd_thin_backward_weights(TensorView<const double>, TensorView<const double>, int64_t,
                                             int64_t, double*, double*);

}  // namespace fastnn
