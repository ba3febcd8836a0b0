// The driver: tiles in blocks that stay in the second cache; each block is gathered, multiplied and scattered
// at once.
#include "fastnn/ops/winograd/winograd.h"

#include <algorithm>
#include <optional>

#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/batchnorm/batchnorm_coefficients.h"
#include "fastnn/ops/gemm/gemm_kernel.h"
#include "fastnn/ops/winograd/winograd_kernel.h"

namespace fastnn {
namespace {

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

// The images of a NormReduction, and its sums, one pair of rows a block.
template <class T>
struct BlockReduction {
  PixelImages<T> x, residual;  // the second empty where no ReLU follows, or none was added
  BatchNormCoefficients<T> coefficients;
  bool relu;
  int64_t channels;
  Buffer<T> sums;

  BlockReduction(const NormReduction<T>& reduction, int64_t blocks)
      : x(reduction.x),
        residual(reduction.norm.relu ? reduction.norm.residual : TensorView<const T>{}),
        coefficients(reduction.norm, reduction.x.shape[1]),
        relu(reduction.norm.relu),
        channels(reduction.x.shape[1]),
        sums(2 * blocks * channels) {}

  T* sum(int64_t block) const { return sums.get() + 2 * block * channels; }
  T* product(int64_t block) const { return sum(block) + channels; }

  void give_to(WinogradFromPlanes<T>& out, int64_t block) const {
    out.norm_relu = relu;
    out.center = coefficients.center();
    out.scale = coefficients.scale();
    out.shift = coefficients.shift();
    out.sum = sum(block);
    out.product = product(block);
    std::fill_n(out.sum, 2 * channels, T(0));
  }

  // Adds blocks up in their order, and in double.
  void join(int64_t blocks, const NormReduction<T>& norm) const {
    for (int64_t block = 0; block < blocks; ++block) {
      for (int64_t c = 0; c < channels; ++c) {
        norm.sum[c] += static_cast<double>(sum(block)[c]);
        norm.product[c] += static_cast<double>(product(block)[c]);
      }
    }
  }
};

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

// Planes are a little apart from a multiple of the cache's ways, which 36 planes would otherwise fight for.
int64_t plane_stride(int64_t elements) { return round_up(elements, 16) + 16; }

// Tiles a block. One strip of the micro-kernel moves least through the caches while the filters stay in the
// second one; larger filters come from the third, and larger blocks read them less often. So do blocks with
// few filters, each of which is loaded for little work.
int64_t block_tiles(int64_t planes, int64_t c, int64_t f, bool narrow, int kernel_rows, int64_t element) {
  constexpr int64_t kFilterBytes = 850'000;
  if (narrow) return 2 * kernel_rows;
  return planes * c * f * element <= kFilterBytes ? kernel_rows : 4 * kernel_rows;
}

// Transformed filters, in panels for the micro-kernel: [plane][panel of F][C][width].
template <class T>
struct Filters {
  Buffer<T> data;
  int64_t plane, panel;
};

// Filters are rearranged in squares, of so many channels and a panel: their memory is walked in runs of
// several channels, where steps from filter to filter would meet in a few places of the cache.
constexpr int64_t kFilterChannels = 16;

template <class T>
Filters<T> transform_filters(const WinogradKernel<T>& winograd, int points, TensorView<const T> w,
                             int width) {
  const int64_t f = w.shape[0], c = w.shape[1], panels = ceil_div(f, width);
  Filters<T> filters{Buffer<T>(points * points * panels * c * width), panels * c * width, c * width};
  const double bytes = static_cast<double>(points * points * panels * c * width) * sizeof(T);
  const int64_t runs = ceil_div(c, kFilterChannels);
  parallel_for(panels * runs, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t j = chunk / runs, c0 = chunk % runs * kFilterChannels;
    const int64_t channels = std::min(kFilterChannels, c - c0),
                  count = std::min<int64_t>(width, f - j * width);
    Buffer<T> taps(channels * 9 * width);  // [channel][tap][filter]
    std::fill_n(taps.get(), channels * 9 * width, T(0));
    for (int64_t i = 0; i < count; ++i) {
      const T* filter = w.data + (j * width + i) * w.stride[0] + c0 * w.stride[1];
      for (int64_t channel = 0; channel < channels; ++channel) {
        for (int k = 0; k < 9; ++k) {
          taps[(channel * 9 + k) * width + i] =
              filter[channel * w.stride[1] + (k / 3) * w.stride[2] + (k % 3) * w.stride[3]];
        }
      }
    }
    for (int64_t channel = 0; channel < channels; ++channel) {
      winograd.filter({taps.get() + channel * 9 * width, width, width,
                       filters.data.get() + j * filters.panel + (c0 + channel) * width, filters.plane});
    }
  });
  return filters;
}

template <class T>
struct Forward {
  WinogradKernel<T> winograd;
  GemmKernel<T> gemm;
  TileGrid grid;
  TensorView<const T> x;
  TensorView<T> y;
  int64_t pad_h, pad_w;
  const Filters<T>& filters;
  const Epilogue<T>& epilogue;
  const BlockReduction<T>* norm;  // or null
  bool narrow;                    // one register of filters
  int64_t block;                  // tiles a block
  T* mean;                        // [block][f] statistics of each block, or null
  T* sum_squares;
  int64_t* seen;  // [chunk] pixels

  int points() const { return static_cast<int>(grid.m) + 2; }

  void run_block(int64_t index) const {
    const int64_t c = x.shape[1], f = y.shape[1], planes = points() * points();
    const int64_t tile0 = index * block, tiles = std::min(block, grid.count() - tile0);
    const int64_t product_row = narrow ? winograd.lanes : f;
    const int64_t in_plane = plane_stride(tiles * c), out_plane = plane_stride(tiles * product_row);
    Buffer<T> data(planes * in_plane), products(planes * out_plane);

    TileCursor at(grid, tile0);
    for (int64_t t = 0; t < tiles; ++t, at.next()) {
      const auto pixels = patch_of(x, at.image, at.top - pad_h, at.left - pad_w, points());
      winograd.gather({pixels, c, data.get() + t * c, in_plane});
    }
    const TensorView<const T> added = residual_view();
    Prefetch<const T> to_add(added, grid, 0, 0, tile0, added.data ? tiles : 0);
    const TensorView<const T> norm_x = norm ? norm->x.view() : TensorView<const T>{},
                              norm_residual = norm ? norm->residual.view() : TensorView<const T>{};
    Prefetch<const T> to_reduce(norm_x, grid, 0, 0, tile0, norm ? tiles : 0),
        to_mask(norm_residual, grid, 0, 0, tile0, norm_residual.data ? tiles : 0);
    Prefetch<T> to_write(y, grid, 0, 0, tile0, tiles);
    Prefetch<const T> to_read(x, grid, 2 - pad_h, 2 - pad_w, tile0 + block, block);
    for (int p = 0; p < planes; ++p) {
      multiply(p, data.get() + p * in_plane, products.get() + p * out_plane, tiles);
      to_add.advance_to(part_begin(tiles, planes, p + 1));
      to_reduce.advance_to(part_begin(tiles, planes, p + 1));
      to_mask.advance_to(part_begin(tiles, planes, p + 1));
      to_write.advance_to(part_begin(tiles, planes, p + 1));
      to_read.advance_to(part_begin(block, planes, p + 1));
    }

    WinogradFromPlanes<T> out{};
    out.plane = out_plane;
    out.channels = f;
    out.bias = epilogue.bias;
    out.relu = epilogue.relu;
    if (mean) {
      out.mean = mean + index * f;
      out.sum_squares = sum_squares + index * f;
    }
    if (norm) norm->give_to(out, index);
    at = TileCursor(grid, tile0);
    for (int64_t t = 0; t < tiles; ++t, at.next()) {
      out.in = products.get() + t * product_row;
      out.pixels = patch_of(y, at.image, at.top, at.left, grid.m);
      if (added.data) out.residual = patch_of(added, at.image, at.top, at.left, grid.m);
      if (norm) out.norm_x = patch_of(norm_x, at.image, at.top, at.left, grid.m);
      if (norm_residual.data) out.norm_residual = patch_of(norm_residual, at.image, at.top, at.left, grid.m);
      winograd.scatter(out);
      out.seen += static_cast<int64_t>(out.pixels.bottom) * out.pixels.right;
    }
    if (seen) seen[index] = out.seen;
  }

 private:
  // The rows of the epilogue's residual as pixels of y.
  TensorView<const T> residual_view() const {
    const int64_t row = epilogue.residual.row_stride, h = y.shape[2], w = y.shape[3];
    return {epilogue.residual.data, 4, {y.shape[0], y.shape[1], h, w}, {h * w * row, 1, w * row, row}};
  }

  // products = data x filters for one plane.
  void multiply(int plane, const T* data, T* products, int64_t tiles) const {
    const int64_t c = x.shape[1], f = y.shape[1];
    const T* filter = filters.data.get() + plane * filters.plane;
    if (narrow) return winograd.multiply({data, filter, products, tiles, c});
    const int64_t strips = ceil_div(tiles, gemm.rows);
    for (int64_t col = 0; col < f; col += gemm.cols) {
      for (int64_t s = 0; s < strips; ++s) {
        const int64_t row = part_begin(tiles, strips, s);
        GemmTile<T> tile{};
        tile.a = data + row * c;
        tile.b = filter + col / gemm.cols * filters.panel;
        tile.runs = 1;
        tile.depth = c;
        tile.a_row = c;
        tile.a_col = 1;
        tile.b_row = gemm.cols;
        tile.c = products + row * f + col;
        tile.c_row = f;
        tile.rows = static_cast<int>(part_begin(tiles, strips, s + 1) - row);
        tile.cols = static_cast<int>(std::min<int64_t>(gemm.cols, f - col));
        gemm.tile(tile);
      }
    }
  }
};

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

// The same filters with in and out channels exchanged, turned by 180 degrees.
template <class T>
TensorView<const T> turned(TensorView<const T> w) {
  TensorView<const T> view = w;
  std::swap(view.shape[0], view.shape[1]);
  std::swap(view.stride[0], view.stride[1]);
  view.data += 2 * w.stride[2] + 2 * w.stride[3];
  view.stride[2] = -w.stride[2];
  view.stride[3] = -w.stride[3];
  return view;
}

template <class T>
void correlate_tiles(int m, const TensorView<const T>& x, const TensorView<const T>& w, int64_t pad_h,
                     int64_t pad_w, const TensorView<T>& y, const Epilogue<T>& epilogue,
                     const NormReduction<T>* reduction, Kept* kept) {
  const TileGrid grid(m, y.shape[0], y.shape[2], y.shape[3]);
  if (reduction) {
    std::fill_n(reduction->sum, y.shape[1], 0.0);
    std::fill_n(reduction->product, y.shape[1], 0.0);
  }
  if (grid.count() == 0) return;
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(m);
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t c = x.shape[1], f = y.shape[1], planes = (m + 2) * (m + 2);
  const bool narrow = f <= winograd.lanes;
  const KeptOr<Filters<T>> filters(
      {kept, m}, [&] { return transform_filters(winograd, m + 2, w, narrow ? winograd.lanes : gemm.cols); });
  const int64_t block = block_tiles(planes, c, f, narrow, gemm.rows, sizeof(T)),
                blocks = ceil_div(grid.count(), block);

  Buffer<T> statistics;
  Buffer<int64_t> seen;
  if (epilogue.mean) {
    statistics = Buffer<T>(2 * blocks * f);
    seen = Buffer<int64_t>(blocks);
  }
  std::optional<BlockReduction<T>> norm;
  if (reduction) norm.emplace(*reduction, blocks);
  const PixelImages<T> images(x);
  const Forward<T> forward{winograd,
                           gemm,
                           grid,
                           images.view(),
                           y,
                           pad_h,
                           pad_w,
                           *filters,
                           epilogue,
                           norm ? &*norm : nullptr,
                           narrow,
                           block,
                           statistics.get(),
                           epilogue.mean ? statistics.get() + blocks * f : nullptr,
                           seen.get()};
  const double flops = 2.0 * static_cast<double>(planes * grid.count() * c) * static_cast<double>(f);
  parallel_for(blocks, flops / kFlopsPerNs, [&](int64_t index) { forward.run_block(index); });
  if (epilogue.mean) {
    gemm_join_statistics(statistics.get(), statistics.get() + blocks * f, seen.get(), blocks, f, epilogue);
  }
  if (norm) norm->join(blocks, *reduction);
}

}  // namespace

template <class T>
void winograd_forward(int m, TensorView<const T> x, TensorView<const T> w, int64_t pad_h, int64_t pad_w,
                      TensorView<T> y, const Epilogue<T>& epilogue, Kept* kept) {
  correlate_tiles<T>(m, x, w, pad_h, pad_w, y, epilogue, nullptr, kept);
}

template <class T>
void winograd_backward_data(int m, TensorView<const T> dy, TensorView<const T> w, int64_t pad_h,
                            int64_t pad_w, TensorView<T> dx, const Epilogue<T>& epilogue,
                            const NormReduction<T>* reduction) {
  correlate_tiles<T>(m, dy, turned(w), 2 - pad_h, 2 - pad_w, dx, epilogue, reduction, nullptr);
}

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

template <class T>
int winograd_lanes() {
  return FASTNN_DISPATCH(winograd_kernel<T>)(4).lanes;
}

#define FASTNN_X(T)                                                                                        \
  template int winograd_lanes<T>();                                                                        \
  template void winograd_forward(int, TensorView<const T>, TensorView<const T>, int64_t, int64_t,          \
                                 TensorView<T>, const Epilogue<T>&, Kept*);                                \
  template void winograd_backward_data(int, TensorView<const T>, TensorView<const T>, int64_t, int64_t,    \
                                       TensorView<T>, const Epilogue<T>&, const NormReduction<T>*);        \
  template void winograd_backward_weights(int, TensorView<const T>, TensorView<const T>, int64_t, int64_t, \
                                          T*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
