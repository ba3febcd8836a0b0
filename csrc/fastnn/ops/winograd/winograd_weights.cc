// The gradient of the filters.
#include <algorithm>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/ops/gemm/gemm_kernel.h"
#include "fastnn/ops/winograd/winograd.h"
#include "fastnn/ops/winograd/winograd_tiles.h"

namespace fastnn {
namespace {

// sum (c x f) = (or +=) data^T spread for data (depth x c) and spread (depth x f), all row-major.
template <class T>
void add_outer_products(const GemmKernel<T>& gemm, const T* data, int64_t c, const T* spread, int64_t f,
                        int64_t depth, bool accumulate, T* sum) {
  const int64_t strips = ceil_div(c, gemm.rows);
  for (int64_t col = 0; col < f; col += gemm.cols) {
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t row = part_begin(c, strips, s);
      GemmTile<T> tile{};
      tile.a = data + row;
      tile.b = spread + col;
      tile.runs = 1;
      tile.depth = depth;
      tile.a_row = 1;
      tile.a_col = c;
      tile.b_row = f;
      tile.b_masked = true;
      tile.c = sum + row * f + col;
      tile.c_row = f;
      tile.rows = static_cast<int>(part_begin(c, strips, s + 1) - row);
      tile.cols = static_cast<int>(std::min<int64_t>(gemm.cols, f - col));
      tile.accumulate = accumulate;
      gemm.tile(tile);
    }
  }
}

}  // namespace

template <class T>
void winograd_backward_weights(int m, TensorView<const T> dy_any, TensorView<const T> x_any, int64_t pad_h,
                               int64_t pad_w, T* dw) {
  const PixelImages<T> dy_images(dy_any), x_images(x_any);
  const TensorView<const T>&dy = dy_images.view(), &x = x_images.view();
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(m);
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const TileGrid grid(m, dy.shape[0], dy.shape[2], dy.shape[3]);
  const int points = m + 2;
  const int64_t c = x.shape[1], f = dy.shape[1], planes = points * points, total = grid.count();

  // Small sums: groups of tiles in parallel, each with sums of its own and stages that fit in the second
  // cache. Large sums: one group, whose stages are large enough to read the sums seldom, and in which planes
  // are parallel. One float sum runs over at most kMaxDepth tiles.
  constexpr int64_t kSmallSums = 1 << 20, kMaxGroups = 8, kChunkTiles = 16, kMaxDepth = 1024, kAhead = 8;
  const int64_t tile_bytes = planes * (c + f) * static_cast<int64_t>(sizeof(T)),
                sum_plane = plane_stride(c * f);
  const int64_t as_sums = c * f / (c + f);  // so many transformed tiles are as large as the sums
  const bool small = planes * sum_plane * static_cast<int64_t>(sizeof(T)) <= kSmallSums;
  const int64_t least = small ? std::max(kChunkTiles, as_sums) : kChunkTiles;
  const int64_t stage_tiles =
      std::clamp<int64_t>((small ? 300'000 : 6'000'000) / tile_bytes, least, kMaxDepth);
  // Adding up a group's sums costs about as much as transforming `as_sums` tiles.
  const int64_t groups =
      small ? std::clamp<int64_t>(total / std::max(2 * stage_tiles, 8 * as_sums), 1, kMaxGroups) : 1;
  Buffer<T> sum(groups * planes * sum_plane);

  const auto sum_group = [&](int64_t group) {
    const int64_t group_first = part_begin(total, groups, group);
    const int64_t group_tiles = part_begin(total, groups, group + 1) - group_first;
    const int64_t stages = std::max<int64_t>(1, ceil_div(group_tiles, stage_tiles));
    const int64_t most = ceil_div(group_tiles, stages);
    const int64_t in_plane = plane_stride(most * c), out_plane = plane_stride(most * f);
    Buffer<T> data(planes * in_plane), spread(planes * out_plane);
    for (int64_t stage = 0; stage < stages; ++stage) {
      const int64_t first = group_first + part_begin(group_tiles, stages, stage);
      const int64_t depth = group_first + part_begin(group_tiles, stages, stage + 1) - first;
      parallel_for(ceil_div(depth, kChunkTiles), static_cast<double>(depth * tile_bytes) / kBytesPerNs,
                   [&](int64_t chunk) {
                     const int64_t begin = chunk * kChunkTiles, end = std::min(begin + kChunkTiles, depth);
                     Prefetch<const T> next_x(x, grid, 2 - pad_h, 2 - pad_w, first + begin + kAhead,
                                              kChunkTiles);
                     Prefetch<const T> next_dy(dy, grid, 0, 0, first + begin + kAhead, kChunkTiles);
                     TileCursor at(grid, first + begin);
                     for (int64_t t = begin; t < end; ++t, at.next()) {
                       next_x.advance_to(t - begin + 1);
                       next_dy.advance_to(t - begin + 1);
                       const auto pixels = patch_of(x, at.image, at.top - pad_h, at.left - pad_w, points);
                       winograd.gather({pixels, c, data.get() + t * c, in_plane});
                       const auto gradients = patch_of(dy, at.image, at.top, at.left, m);
                       winograd.spread({gradients, f, spread.get() + t * f, out_plane});
                     }
                   });
      const double flops = 2.0 * static_cast<double>(planes * depth * c) * static_cast<double>(f);
      parallel_for(planes, flops / kFlopsPerNs, [&](int64_t p) {
        add_outer_products(gemm, data.get() + p * in_plane, c, spread.get() + p * out_plane, f, depth,
                           stage > 0, sum.get() + (group * planes + p) * sum_plane);
      });
    }
  };
  if (groups == 1) {
    sum_group(0);
  } else {
    const double flops = 2.0 * static_cast<double>(planes * total * c) * static_cast<double>(f);
    parallel_for(groups, flops / kFlopsPerNs, sum_group);
    parallel_for(planes, static_cast<double>(groups * planes * sum_plane) * sizeof(T) / kBytesPerNs,
                 [&](int64_t p) {
                   T* total_plane = sum.get() + p * sum_plane;
                   for (int64_t group = 1; group < groups; ++group) {
                     const T* plane = sum.get() + (group * planes + p) * sum_plane;
                     for (int64_t i = 0; i < c * f; ++i) total_plane[i] += plane[i];
                   }
                 });
  }

  const double bytes = static_cast<double>(planes * sum_plane) * sizeof(T);
  const int64_t runs = ceil_div(c, kFilterChannels), panels = ceil_div(f, gemm.cols);
  parallel_for(runs * panels, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t c0 = chunk / panels * kFilterChannels, channels = std::min(kFilterChannels, c - c0);
    const int64_t f0 = chunk % panels * gemm.cols, count = std::min<int64_t>(gemm.cols, f - f0);
    Buffer<T> taps(channels * 9 * count);  // [channel][tap][filter]
    for (int64_t channel = 0; channel < channels; ++channel) {
      winograd.filter_gradient(
          {sum.get() + (c0 + channel) * f + f0, sum_plane, count, taps.get() + channel * 9 * count, count});
    }
    for (int64_t i = 0; i < count; ++i) {
      T* out = dw + ((f0 + i) * c + c0) * 9;
      for (int64_t k = 0; k < channels * 9; ++k) out[k] = taps[k * count + i];
    }
  });
}

template void winograd_backward_weights(int, TensorView<const float>, TensorView<const float>, int64_t,
                                        int64_t, float*);
template void winograd_backward_weights(int, TensorView<const double>, TensorView<const double>, int64_t,
                                        int64_t, double*);

}  // namespace fastnn
