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

// All tiles of a batch of images, in one row.
struct TileGrid {
  int64_t images, rows, cols;  // rows x cols tiles an image

  int64_t count() const { return images * rows * cols; }
};

// A walk along the grid.
struct TileCursor {
  TileGrid grid;
  int64_t image, row, col;

  TileCursor(const TileGrid& g, int64_t tile)
      : grid(g), image(tile / (g.rows * g.cols)), row(tile / g.cols % g.rows), col(tile % g.cols) {}
  void next() {
    if (++col < grid.cols) return;
    col = 0;
    if (++row < grid.rows) return;
    row = 0;
    ++image;
  }
};

// The squares of an image that belong to tiles: where the first one begins, how far it is to the next one,
// and their side. They may reach beyond the image's edges.
struct TileSquares {
  int64_t top, left, step, size;

  int64_t top_of(const TileCursor& at) const { return top + at.row * step; }
  int64_t left_of(const TileCursor& at) const { return left + at.col * step; }
};

template <class T>
WinogradPatch<T> patch_of(const TensorView<T>& image, const TileSquares& squares, const TileCursor& at) {
  const int64_t top = squares.top_of(at), left = squares.left_of(at);
  const auto within = [&](int64_t i) { return static_cast<int>(std::clamp<int64_t>(i, 0, squares.size)); };
  return {image.data + at.image * image.stride[0] + top * image.stride[2] + left * image.stride[3],
          image.stride[2],
          image.stride[3],
          within(-top),
          within(image.shape[2] - top),
          within(-left),
          within(image.shape[3] - left)};
}

// The rows of an epilogue's residual as pixels of y.
template <class T>
TensorView<const T> residual_pixels(const MatrixView<const T>& rows, const TensorView<T>& y) {
  const int64_t row = rows.row_stride, h = y.shape[2], w = y.shape[3];
  return {rows.data, 4, {y.shape[0], y.shape[1], h, w}, {h * w * row, 1, w * row, row}};
}

// Of a forward pass.
inline WinogradForm winograd_form(int m, int64_t stride) {
  if (stride == 2) return WinogradForm::halving;
  return m == 2 ? WinogradForm::two : WinogradForm::four;
}

// How a convolution's images are cut into tiles.
struct Tiling {
  TileGrid grid;
  TileSquares in, out;

  // Of a convolution with these paddings, or of its gradient by the input (`doubling`), to images of
  // `shape`.
  Tiling(WinogradForm form, const WinogradShape& sides, const int64_t (&shape)[kMaxRank], int64_t pad_h,
         int64_t pad_w) {
    out = {0, 0, sides.tile, sides.tile};
    in = {-pad_h, -pad_w, sides.tile, sides.window};
    if (form == WinogradForm::halving) in.step = 2 * sides.tile;
    if (form == WinogradForm::doubling) {
      // Tiles begin at a pixel that meets tap 1 alone.
      out.top = pad_h % 2 - 1;
      out.left = pad_w % 2 - 1;
      in = {(out.top + pad_h - 1) / 2, (out.left + pad_w - 1) / 2, sides.tile / 2, sides.window};
    }
    grid = {shape[0], ceil_div(shape[2] - out.top, sides.tile), ceil_div(shape[3] - out.left, sides.tile)};
  }
};

// One phase along each axis: the pixels of a tile that some of its products give. Of an image with two
// phases they are every second row and column.
class TilePhase {
 public:
  TilePhase(const WinogradShape& shape, const TileSquares& out, int row_phase, int col_phase)
      : rows(shape.phase[row_phase]),
        cols(shape.phase[col_phase]),
        row(row_phase),
        col(col_phase),
        phases_(shape.phases),
        top_(out.top + row),
        left_(out.left + col),
        squares_{floor_div(top_), floor_div(left_), out.step / phases_, out.size / phases_} {}

  const WinogradPhase &rows, &cols;  // products
  const int row, col;

  int planes() const { return rows.products * cols.products; }
  const TileSquares& squares() const { return squares_; }

  template <class T>
  TensorView<T> of(TensorView<T> image) const {
    const int64_t top = top_ - squares_.top * phases_, left = left_ - squares_.left * phases_;
    if (image.data) image.data += top * image.stride[2] + left * image.stride[3];
    image.shape[2] = ceil_div(image.shape[2] - top, phases_);
    image.shape[3] = ceil_div(image.shape[3] - left, phases_);
    image.stride[2] *= phases_;
    image.stride[3] *= phases_;
    return image;
  }

 private:
  int64_t floor_div(int64_t pixel) const { return pixel < 0 ? -ceil_div(-pixel, phases_) : pixel / phases_; }

  int64_t phases_, top_, left_;
  TileSquares squares_;
};

// Calls body(phase, products of those before it) for each of them.
template <class Body>
void by_phases(const WinogradShape& shape, const TileSquares& out, Body body) {
  int before = 0;
  for (int row = 0; row < shape.phases; ++row) {
    for (int col = 0; col < shape.phases; ++col) {
      const TilePhase phase(shape, out, row, col);
      body(phase, before);
      before += phase.planes();
    }
  }
}

// Asks for pixels before they are needed. A transform walks along several image rows at once, in steps that
// hardware does not foresee, and computes too little to hide the way to memory: without this, out of cache,
// it waits for more than half of its time.
template <class T>
class Prefetch {
 public:
  // The pixels that tiles `tile` to `tile + tiles` are the first to need: a step's at the far corner of
  // their squares, and what an edge of the image adds.
  Prefetch(const TensorView<T>& image, const TileGrid& grid, const TileSquares& squares, int64_t tile,
           int64_t tiles)
      : image_(image),
        at_(grid, tile),
        squares_(squares),
        tiles_(image.data ? std::clamp<int64_t>(grid.count() - tile, 0, tiles) : 0) {}

  // Asks for the first `tiles`, unless it has done so already. Inlined: GCC 12 takes a function that only
  // prefetches for one without effect, and drops the call.
  inline __attribute__((always_inline)) void advance_to(int64_t tiles) {
    constexpr int64_t kLine = 64;
    for (tiles = std::min(tiles, tiles_); done_ < tiles; ++done_, at_.next()) {
      const int64_t low = squares_.top_of(at_) + squares_.size, far = squares_.left_of(at_) + squares_.size;
      const int64_t top = at_.row ? low - squares_.step : 0, bottom = std::min(low, image_.shape[2]),
                    left = at_.col ? far - squares_.step : 0, right = std::min(far, image_.shape[3]);
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
  TileSquares squares_;
  int64_t tiles_, done_ = 0;
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

// Planes are a little apart from a multiple of the cache's ways, which dozens of them would otherwise fight
// for.
inline int64_t plane_stride(int64_t elements) { return round_up(elements, 16) + 16; }

// Filters are rearranged in squares, of so many channels and a panel: their memory is walked in runs of
// several channels, where steps from filter to filter would meet in a few places of the cache.
constexpr int64_t kFilterChannels = 16;

}  // namespace fastnn
