// Passes of winograd with stride 1 and few channels. Private to winograd*.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/base/allocator.h"
#include "fastnn/base/kept.h"
#include "fastnn/base/shape.h"
#include "fastnn/base/tensor_view.h"
#include "fastnn/ops/gemm/gemm.h"
#include "fastnn/ops/winograd/winograd_kernel.h"
#include "fastnn/ops/winograd/winograd_tiles.h"

namespace fastnn {

// Rows of tiles, of the whole batch, in runs that do not leave an image.
struct ThinBands {
  int64_t rows, parts, count;  // rows and bands of an image, bands in all

  // Of at most so many rows.
  ThinBands(const TileGrid& grid, int64_t most)
      : rows(grid.rows), parts(ceil_div(rows, most)), count(grid.images * parts) {}

  // Rows are numbered through the batch.
  int64_t begin(int64_t band) const { return band / parts * rows + part_begin(rows, parts, band % parts); }
};

// Transforms windows, lanes being tiles by channels (WinogradThinToPlanes).
template <class T>
struct ThinRows {
  const WinogradKernel<T>& winograd;
  const Tiling& tiling;
  const TensorView<const T>& x;  // of any strides
  int64_t phase;

  ThinRows(const WinogradKernel<T>& kernel, const Tiling& cut, const TensorView<const T>& images);

  // The pixels under `rows` rows of tiles from `first`: [row][column % m][column / m][channel].
  Buffer<T> split(int64_t first, int64_t rows) const;

  // Tiles `tile` to tile + tiles of row `row` of these to planes.
  void transform(const T* pixels, int64_t row, int64_t tile, int64_t tiles, T* planes) const;

  // Those of `rows` rows of pixels from the top of these, transformed along their rows alone.
  void transform_rows(const T* pixels, int64_t rows, int64_t tile, int64_t tiles, T* planes) const;

  // Strips of a row.
  int64_t strips() const { return ceil_div(tiling.grid.cols, kThinNumbers / x.shape[1]); }
  int64_t strip_begin(int64_t strip) const { return part_begin(tiling.grid.cols, strips(), strip); }
};

// As winograd_forward, where that is thin.
template <class T>
void thin_forward(const TensorView<const T>& x, const TensorView<const T>& w, int64_t pad_h, int64_t pad_w,
                  const TensorView<T>& y, const Epilogue<T>& epilogue, Kept* kept);

}  // namespace fastnn
