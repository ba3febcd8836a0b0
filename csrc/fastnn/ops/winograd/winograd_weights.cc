// The gradient of the filters.
#include <algorithm>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/transpose.h"
#include "fastnn/ops/gemm/gemm_kernel.h"
#include "fastnn/ops/winograd/winograd.h"
#include "fastnn/ops/winograd/winograd_tiles.h"

namespace fastnn {
namespace {

// The products that have a plane of filters in common.
struct PlaneTerms {
  int64_t count = 0;
  int64_t data[16], spread[16];  // where their planes lie

  PlaneTerms(const WinogradShape& shape, int64_t filter, int64_t data_plane, int64_t spread_plane) {
    by_axis(shape, static_cast<int>(filter / shape.filters), [&](int row, int row_spread) {
      by_axis(shape, static_cast<int>(filter % shape.filters), [&](int col, int col_spread) {
        data[count] = (row * shape.data + col) * data_plane;
        spread[count++] = (row_spread * shape.products + col_spread) * spread_plane;
      });
    });
  }

 private:
  template <class Body>
  static void by_axis(const WinogradShape& shape, int filter, Body body) {
    for (int i = 0; i < shape.products; ++i) {
      for (int term = 0; term < shape.sums[i].terms; ++term) {
        if (shape.sums[i].filter[term] == filter) body(shape.sums[i].data[term], i);
      }
    }
  }
};

// Products of planes: sum (c x f, rows of sum_row) = (or +=) data^T spread, added up over the terms, for data
// (depth x c, rows of data_row) and spread (depth x f, rows of spread_row).
template <class T>
struct OuterProduct {
  PlaneTerms terms;
  const T* data;
  int64_t data_row, c;
  const T* spread;
  int64_t spread_row, f;
  int64_t depth;
  T* sum;
  int64_t sum_row;

  void run(const GemmKernel<T>& gemm, bool accumulate) const {
    const int64_t strips = ceil_div(c, gemm.rows);
    for (int64_t col = 0; col < f; col += gemm.cols) {
      for (int64_t s = 0; s < strips; ++s) {
        const int64_t row = part_begin(c, strips, s);
        GemmTile<T> tile{};
        tile.a = data + row;
        tile.b = spread + col;
        tile.runs = terms.count;
        tile.a_offset = terms.data;
        tile.b_offset = terms.spread;
        tile.depth = depth;
        tile.a_row = 1;
        tile.a_col = data_row;
        tile.b_row = spread_row;
        tile.b_masked = true;
        tile.c = sum + row * sum_row + col;
        tile.c_row = sum_row;
        tile.rows = static_cast<int>(part_begin(c, strips, s + 1) - row);
        tile.cols = static_cast<int>(std::min<int64_t>(gemm.cols, f - col));
        tile.accumulate = accumulate;
        gemm.tile(tile);
      }
    }
  }
};

// The transformed tiles of both images, tile by tile in each plane.
template <class T>
struct TransformedPair {
  const WinogradKernel<T>& winograd;
  const PatchGather<T>& patch_to_planes;
  const Tiling& tiling;
  const TensorView<const T>&x, &dy;
  int64_t most;  // tiles
  const WinogradShape& shape = winograd.shape;
  int64_t c = x.shape[1], f = dy.shape[1];
  int64_t data_planes = shape.data * shape.data, spread_planes = shape.products * shape.products;
  int64_t in_plane = plane_stride(most * c), out_plane = plane_stride(most * f);
  Buffer<T> data{data_planes * in_plane}, spread{spread_planes * out_plane};

  // Tiles first to first + count of the grid, in chunks on several threads.
  void fill(int64_t first, int64_t count, int64_t chunk_tiles) const {
    constexpr int64_t kAhead = 8;
    const double bytes = static_cast<double>((data_planes * c + spread_planes * f) * count) * sizeof(T);
    parallel_for(ceil_div(count, chunk_tiles), bytes / kBytesPerNs, [&](int64_t chunk) {
      const int64_t begin = chunk * chunk_tiles, end = std::min(begin + chunk_tiles, count);
      Prefetch<const T> next_x(x, tiling.grid, tiling.in, first + begin + kAhead, chunk_tiles);
      Prefetch<const T> next_dy(dy, tiling.grid, tiling.out, first + begin + kAhead, chunk_tiles);
      TileCursor at(tiling.grid, first + begin);
      for (int64_t t = begin; t < end; ++t, at.next()) {
        next_x.advance_to(t - begin + 1);
        next_dy.advance_to(t - begin + 1);
        patch_to_planes(patch_of(x, tiling.in, at), data.get() + t * c, in_plane);
        winograd.spread({patch_of(dy, tiling.out, at), f, spread.get() + t * f, out_plane});
      }
    });
  }

  // What plane p of channels c0 to c0 + channels and filters f0 to f0 + filters adds up over `depth` tiles.
  OuterProduct<T> product(int64_t p, int64_t c0, int64_t channels, int64_t f0, int64_t filters, int64_t depth,
                          T* sum, int64_t sum_row) const {
    return {PlaneTerms(shape, p, in_plane, out_plane),
            data.get() + c0,
            c,
            channels,
            spread.get() + f0,
            f,
            filters,
            depth,
            sum,
            sum_row};
  }
};

// dw of channels c0 to c0 + channels and filters f0 to f0 + filters, from their sums.
template <class T>
void write_gradients(const WinogradKernel<T>& winograd, const T* sum, int64_t sum_row, int64_t sum_plane,
                     int64_t c0, int64_t channels, int64_t f0, int64_t filters, int64_t c, T* dw) {
  Buffer<T> taps(channels * 9 * filters);  // [channel][tap][filter]
  for (int64_t channel = 0; channel < channels; ++channel) {
    winograd.filter_gradient(
        {sum + channel * sum_row, sum_plane, filters, taps.get() + channel * 9 * filters, filters});
  }
  transpose(static_cast<const T*>(taps.get()), filters, filters, channels * 9, dw + (f0 * c + c0) * 9, c * 9);
}

}  // namespace

template <class T>
void winograd_backward_weights(int m, int64_t stride, TensorView<const T> dy_any, TensorView<const T> x_any,
                               int64_t pad_h, int64_t pad_w, T* dw, const BatchNorm<T>* input_norm) {
  const PixelImages<T> dy_images(dy_any), x_images(x_any);
  const TensorView<const T>&dy = dy_images.view(), &x = x_images.view();
  const WinogradForm form = winograd_form(m, stride);
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(form);
  const PatchGather<T> patch_to_planes(winograd, x.shape[1], input_norm);
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const WinogradShape& shape = winograd.shape;
  const Tiling tiling(form, shape, dy.shape, pad_h, pad_w);
  const int64_t c = x.shape[1], f = dy.shape[1], planes = shape.filters * shape.filters;
  const int64_t total = tiling.grid.count();
  const int64_t tile_floats = shape.data * shape.data * c + shape.products * shape.products * f;
  const int64_t tile_bytes = tile_floats * static_cast<int64_t>(sizeof(T));
  const int64_t as_sums = planes * c * f / tile_floats;  // so many transformed tiles are as large as the sums
  const double flops = 2.0 * static_cast<double>(shape.terms() * total * c) * static_cast<double>(f);
  const int64_t panels = ceil_div(f, gemm.cols);
  constexpr int64_t kChunkTiles = 16, kMaxDepth = 1024;

  if (total <= std::min(as_sums / 2, kMaxDepth)) {
    // The sums are the largest thing here. They never leave the second cache: a block of filters is summed up
    // and transformed at once.
    constexpr int64_t kBlockBytes = 300'000;
    const int64_t row_bytes = planes * gemm.cols * static_cast<int64_t>(sizeof(T));
    const int64_t bands = ceil_div(c, std::max<int64_t>(gemm.rows, kBlockBytes / row_bytes));
    const TransformedPair<T> tiles{winograd, patch_to_planes, tiling, x, dy, total};
    tiles.fill(0, total, 4);
    parallel_for(bands * panels, flops / kFlopsPerNs, [&](int64_t chunk) {
      const int64_t f0 = chunk / bands * gemm.cols, filters = std::min<int64_t>(gemm.cols, f - f0);
      const int64_t band = chunk % bands, c0 = part_begin(c, bands, band);
      const int64_t channels = part_begin(c, bands, band + 1) - c0;
      const int64_t sum_plane = plane_stride(channels * filters);
      Buffer<T> sum(planes * sum_plane);
      for (int64_t p = 0; p < planes; ++p) {
        tiles.product(p, c0, channels, f0, filters, total, sum.get() + p * sum_plane, filters)
            .run(gemm, false);
      }
      write_gradients<T>(winograd, sum.get(), filters, sum_plane, c0, channels, f0, filters, c, dw);
    });
    return;
  }

  // Small sums: groups of tiles in parallel, each with sums of its own and stages that fit in the second
  // cache. Large sums: one group, whose stages are large enough to read the sums seldom, and in which planes
  // are parallel. One float sum runs over at most kMaxDepth tiles.
  constexpr int64_t kSmallSums = 1 << 20, kMaxGroups = 8;
  const int64_t sum_plane = plane_stride(c * f);
  const bool small = planes * sum_plane * static_cast<int64_t>(sizeof(T)) <= kSmallSums;
  const int64_t least = small ? std::max(kChunkTiles, as_sums) : kChunkTiles;
  const int64_t stage_tiles =
      std::clamp<int64_t>((small ? 300'000 : 6'000'000) / tile_bytes, least, kMaxDepth);
  // Adding up a group's sums costs about as much as transforming `as_sums` tiles.
  const int64_t most =
      small ? std::clamp<int64_t>(total / std::max(2 * stage_tiles, 8 * as_sums), 1, kMaxGroups) : 1;
  // Of three groups one of two threads would wait for the other.
  const int64_t groups = most > 1 ? most / 2 * 2 : 1;
  Buffer<T> sum(groups * planes * sum_plane);

  const auto sum_group = [&](int64_t group) {
    const int64_t group_first = part_begin(total, groups, group);
    const int64_t group_tiles = part_begin(total, groups, group + 1) - group_first;
    const int64_t stages = std::max<int64_t>(1, ceil_div(group_tiles, stage_tiles));
    const TransformedPair<T> tiles{winograd, patch_to_planes, tiling, x, dy, ceil_div(group_tiles, stages)};
    for (int64_t stage = 0; stage < stages; ++stage) {
      const int64_t first = group_first + part_begin(group_tiles, stages, stage);
      const int64_t depth = group_first + part_begin(group_tiles, stages, stage + 1) - first;
      tiles.fill(first, depth, kChunkTiles);
      const double share = static_cast<double>(depth) / static_cast<double>(total);
      parallel_for(planes, share * flops / kFlopsPerNs, [&](int64_t chunk) {
        const int64_t p =
            planes - 1 - chunk;  // the last plane may have most terms: nobody waits for it at the end
        tiles.product(p, 0, c, 0, f, depth, sum.get() + (group * planes + p) * sum_plane, f)
            .run(gemm, stage > 0);
      });
    }
  };
  if (groups == 1) {
    sum_group(0);
  } else {
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
  const int64_t runs = ceil_div(c, kFilterChannels);
  parallel_for(runs * panels, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t c0 = chunk / panels * kFilterChannels, f0 = chunk % panels * gemm.cols;
    write_gradients<T>(winograd, sum.get() + c0 * f + f0, f, sum_plane, c0, std::min(kFilterChannels, c - c0),
                       f0, std::min<int64_t>(gemm.cols, f - f0), c, dw);
  });
}

template void winograd_backward_weights(int, int64_t, TensorView<const float>, TensorView<const float>,
                                        int64_t, int64_t, float*, const BatchNorm<float>*);
template void winograd_backward_weights(int, int64_t, TensorView<const double>, TensorView<const double>,
                                        int64_t, int64_t, double*, const BatchNorm<double>*);

}  // namespace fastnn
