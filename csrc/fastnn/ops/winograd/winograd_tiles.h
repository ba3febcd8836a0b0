// Tiles of images and the memory between the transforms: what the passes of winograd share. Private to
// winograd*.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "fastnn/base/shape.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/winograd/winograd_kernel.h"

namespace fastnn {

// All tiles of a batch of output images, in one row.
struct TileGrid {
  int64_t m, images, rows, cols;  // rows x cols tiles an image

  TileGrid(int tile, int64_t n, int64_t out_h, int64_t out_w)
      : m(tile), images(n), rows(ceil_div(out_h, tile)), cols(ceil_div(out_w, tile)) {}
  int64_t count() const { return images * rows * cols; }
};

// A walk along the grid: the image and the output pixel at which the present tile begins.
struct TileCursor {
  TileGrid grid;
  int64_t image, top, left;

  TileCursor(const TileGrid& g, int64_t tile)
      : grid(g),
        image(tile / (g.rows * g.cols)),
        top(tile / g.cols % g.rows * g.m),
        left(tile % g.cols * g.m) {}
  void next() {
    left += grid.m;
    if (left < grid.cols * grid.m) return;
    left = 0;
    top += grid.m;
    if (top < grid.rows * grid.m) return;
    top = 0;
    ++image;
  }
};

// The size x size pixels of an image from (top, left), which may lie beyond its edges.
template <class T>
WinogradPatch<T> patch_of(const TensorView<T>& image, int64_t n, int64_t top, int64_t left, int64_t size) {
  const auto within = [size](int64_t i) { return static_cast<int>(std::clamp<int64_t>(i, 0, size)); };
  return {image.data + n * image.stride[0] + top * image.stride[2] + left * image.stride[3],
          image.stride[2],
          image.stride[3],
          within(-top),
          within(image.shape[2] - top),
          within(-left),
          within(image.shape[3] - left)};
}

// Asks for pixels before they are needed. A transform walks along several image rows at once, in steps that
// hardware does not foresee, and computes too little to hide the way to memory: without this, out of cache,
// it waits for more than half of its time.
template <class T>
class Prefetch {
 public:
  // The pixels that tiles `tile` to `tile + tiles` are the first to need, their windows beginning `before`
  // pixels above and left of them: a square of m at the far corner, and what an edge of the image adds.
  Prefetch(const TensorView<T>& image, const TileGrid& grid, int64_t above, int64_t before, int64_t tile,
           int64_t tiles)
      : image_(image),
        at_(grid, tile),
        above_(above),
        before_(before),
        tiles_(std::clamp<int64_t>(grid.count() - tile, 0, tiles)) {}

  // Asks for the first `tiles`, unless it has done so already. Inlined: GCC 12 takes a function that only
  // prefetches for one without effect, and drops the call.
  inline __attribute__((always_inline)) void advance_to(int64_t tiles) {
    constexpr int64_t kLine = 64;
    for (tiles = std::min(tiles, tiles_); done_ < tiles; ++done_, at_.next()) {
      const int64_t m = at_.grid.m, top = at_.top ? at_.top + above_ : 0,
                    bottom = std::min(at_.top + above_ + m, image_.shape[2]),
                    left = at_.left ? at_.left + before_ : 0,
                    right = std::min(at_.left + before_ + m, image_.shape[3]);
      const int64_t bytes = (right - left) * image_.stride[3] * static_cast<int64_t>(sizeof(T));
      for (int64_t i = top; i < bottom; ++i) {
        const char* row = reinterpret_cast<const char*>(image_.data + at_.image * image_.stride[0] +
                                                        i * image_.stride[2] + left * image_.stride[3]);
        for (int64_t at = 0; at < bytes; at += kLine)
          __builtin_prefetch(row + at, 0, 2);  // into the second cache
      }
    }
  }

 private:
  TensorView<T> image_;
  TileCursor at_;
  int64_t above_, before_, tiles_, done_ = 0;
};

// Transforms patches of images to planes, through a batch norm where there is one.
template <class T>
class PatchGather {
 public:
  PatchGather(const WinogradKernel<T>& winograd, int64_t channels, const BatchNorm<T>* input_norm)
      : winograd_(winograd), channels_(channels) {
    if (!input_norm) return;
    norm_.emplace(*input_norm, channels);
    if (!input_norm->relu) floor_ = -std::numeric_limits<T>::infinity();
  }

  void operator()(const WinogradPatch<const T>& pixels, T* out, int64_t plane) const {
    WinogradToPlanes<T> planes{pixels, channels_, out, plane};
    if (norm_) {
      planes.center = norm_->center();
      planes.scale = norm_->scale();
      planes.shift = norm_->shift();
      planes.floor = floor_;
    }
    winograd_.gather(planes);
  }

 private:
  const WinogradKernel<T>& winograd_;
  int64_t channels_;
  std::optional<BatchNormCoefficients<T>> norm_;
  T floor_ = 0;
};

// Planes are a little apart from a multiple of the cache's ways, which 36 planes would otherwise fight for.
inline int64_t plane_stride(int64_t elements) { return round_up(elements, 16) + 16; }

// Filters are rearranged in squares, of so many channels and a panel: their memory is walked in runs of
// several channels, where steps from filter to filter would meet in a few places of the cache.
constexpr int64_t kFilterChannels = 16;

}  // namespace fastnn
