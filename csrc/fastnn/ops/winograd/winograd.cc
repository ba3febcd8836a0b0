// The driver of forward and backward-data. Blocks of tiles that stay in the second cache are gathered,
// multiplied by all filters and scattered, phase by phase. Where there are few tiles beside many filters it
// is the other way round: blocks of filters are transformed and multiplied by all tiles.
#include "fastnn/ops/winograd/winograd.h"

#include <algorithm>
#include <optional>

#include "fastnn/base/ordered_view.h"
#include "fastnn/base/parallel.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/batchnorm/batchnorm.h"
#include "fastnn/ops/gemm/gemm_kernel.h"
#include "fastnn/ops/winograd/winograd_filters.h"
#include "fastnn/ops/winograd/winograd_thin.h"
#include "fastnn/ops/winograd/winograd_tiles.h"

namespace fastnn {
namespace {

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
        sums(2 * blocks * channels) {
    std::fill_n(sums.get(), 2 * blocks * channels, T(0));
  }

  T* sum(int64_t block) const { return sums.get() + 2 * block * channels; }
  T* product(int64_t block) const { return sum(block) + channels; }

  // What `out` needs for channels from c0.
  void give_to(WinogradFromPlanes<T>& out, int64_t block, int64_t c0) const {
    out.norm_relu = relu;
    out.center = coefficients.center() + c0;
    out.scale = coefficients.scale() + c0;
    out.shift = coefficients.shift() + c0;
    out.sum = sum(block) + c0;
    out.product = product(block) + c0;
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

// Tiles a block. One strip of the micro-kernel moves least through the caches while the filters come from the
// second or third one; where these come from memory, larger blocks read them less often. So do blocks with
// few filters, each of which is loaded for little work: as many strips as the second cache holds.
template <class T>
int64_t block_tiles(const WinogradKernel<T>& winograd, const GemmKernel<T>& gemm, int64_t tiles, int64_t c,
                    int64_t f, bool narrow) {
  constexpr int64_t kSize = sizeof(T), kFilterBytes = 10'000'000, kBlockBytes = 300'000;
  const WinogradShape& shape = winograd.shape;
  const int64_t filter_bytes = shape.filters * shape.filters * c * f * kSize,
                tile_bytes = (shape.data * shape.data * c + shape.most_products() * f) * kSize;
  int64_t few = filter_bytes <= kFilterBytes ? gemm.rows : 4 * gemm.rows, most = few;
  if (narrow) {
    few = 4 * winograd.strip;
    most = std::clamp(kBlockBytes / tile_bytes, few, 2 * few);
  }
  // Of three blocks, or of one that is smaller than the others, one of two threads would wait for the other.
  constexpr int64_t kFewBlocks = 32;
  const int64_t blocks = ceil_div(tiles, most);
  if (tiles <= few || blocks >= kFewBlocks) return most;
  return ceil_div(tiles, round_up(blocks, 2));
}

// What the tiles of a block read and write in one phase, asked for between products.
template <class T>
struct PhasePrefetch {
  Prefetch<const T> residual, norm_x, norm_residual;
  Prefetch<T> y;
  int64_t tiles;

  void advance(int64_t part, int64_t parts) {
    const int64_t some = part_begin(tiles, parts, part);
    residual.advance_to(some);
    norm_x.advance_to(some);
    norm_residual.advance_to(some);
    y.advance_to(some);
  }
};

template <class T>
struct Forward {
  const WinogradKernel<T>& winograd;
  const PatchGather<T>& patch_to_planes;
  GemmKernel<T> gemm;
  Tiling tiling;
  TensorView<const T> x, w;
  TensorView<T> y;
  const Filters<T>* filters;  // or null: those of w are transformed where they are needed
  const Epilogue<T>& epilogue;
  const BlockReduction<T>* norm;  // or null
  bool narrow;                    // one register of filters
  int64_t block;                  // tiles a block
  T* mean;                        // [block][f] statistics of each block, or null
  T* sum_squares;
  int64_t* seen;  // [block] pixels

  int64_t c = x.shape[1], f = y.shape[1];
  const WinogradShape& shape = winograd.shape;
  const TileGrid& grid = tiling.grid;
  int64_t data_planes = shape.data * shape.data, planes = shape.products * shape.products;

  // Some tiles by all filters.
  void run_block(int64_t index) const {
    const int64_t tile0 = index * block, tiles = std::min(block, grid.count() - tile0);
    const int64_t product_row = narrow ? winograd.lanes : f;
    const int64_t in_plane = plane_stride(tiles * c), out_plane = plane_stride(tiles * product_row);
    const Buffer<T> scratch(data_planes * in_plane + shape.most_products() * out_plane);
    T *const data = scratch.get(), *const products = data + data_planes * in_plane;
    gather(tile0, tiles, data, in_plane);
    const bool fetch = !in_cache();
    Prefetch next(x, grid, tiling.in, tile0 + block, fetch ? block : 0);
    int64_t pixels = 0;
    by_phases(shape, tiling.out, [&](const TilePhase& phase, int before) {
      std::optional<PhasePrefetch<T>> ahead;  // rows, with the first of their pixels
      if (fetch && phase.col == 0) ahead.emplace(prefetch(phase, tile0, tiles));
      for (int p = 0; p < phase.planes(); ++p) {
        const Terms terms(shape, phase, p, in_plane, filters->plane);
        const T* filter = filters->data.get();
        T* out = products + p * out_plane;
        if (narrow) {
          for (int i = 0; i < terms.count; ++i) {
            winograd.multiply({data + terms.data[i], filter + terms.filter[i], out, tiles, c, i > 0});
          }
        } else {
          for (int64_t col = 0; col < f; col += gemm.cols, filter += filters->panel) {
            multiply(terms, data, tiles, filter, c, std::min<int64_t>(gemm.cols, f - col), false, out + col,
                     f);
          }
        }
        if (ahead) ahead->advance(p + 1, phase.planes());
        next.advance_to(part_begin(block, planes, before + p + 1));
      }
      pixels = scatter(index, phase, tile0, tiles, 0, f, products, product_row, out_plane, pixels);
    });
    if (seen) seen[index] = pixels;
  }

  // All tiles, which are one block, by all filters, a panel of them at a time.
  void run_by_filters() const {
    constexpr int64_t kBlockBytes = 400'000;  // of transformed filters, which stay in the second cache
    const int64_t tiles = grid.count(), width = gemm.cols, panels = ceil_div(f, width);
    const int64_t in_plane = plane_stride(tiles * c), out_plane = plane_stride(tiles * width);
    const int64_t filter_planes = shape.filters * shape.filters;
    const int64_t channel_bytes = filter_planes * width * static_cast<int64_t>(sizeof(T));
    const int64_t parts = ceil_div(c, std::max(kFilterChannels, kBlockBytes / channel_bytes));
    Buffer<T> data(data_planes * in_plane);
    parallel_for(tiles, static_cast<double>(data_planes * in_plane) * sizeof(T) / kBytesPerNs,
                 [&](int64_t tile) { gather(tile, 1, data.get() + tile * c, in_plane); });
    const double flops = 2.0 * static_cast<double>(shape.terms() * tiles * c) * static_cast<double>(f),
                 bytes = filters ? 0.0 : static_cast<double>(channel_bytes * panels * c);
    parallel_for(panels, flops / kFlopsPerNs + bytes / kBytesPerNs, [&](int64_t panel) {
      const int64_t f0 = panel * width, count = std::min(width, f - f0);
      Buffer<T> products(planes * out_plane),
          transformed(filters ? 0 : filter_planes * ceil_div(c, parts) * width);
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t c0 = part_begin(c, parts, part), depth = part_begin(c, parts, part + 1) - c0;
        if (!filters) {
          transform_square(winograd, w, f0, count, c0, depth, width, transformed.get(), depth * width);
        }
        const T* filter =
            filters ? filters->data.get() + panel * filters->panel + c0 * width : transformed.get();
        by_phases(shape, tiling.out, [&](const TilePhase& phase, int before) {
          for (int p = 0; p < phase.planes(); ++p) {
            const Terms terms(shape, phase, p, in_plane, filters ? filters->plane : depth * width);
            multiply(terms, data.get() + c0, tiles, filter, depth, count, part > 0,
                     products.get() + (before + p) * out_plane, width);
          }
        });
      }
      int64_t pixels = 0;
      by_phases(shape, tiling.out, [&](const TilePhase& phase, int before) {
        pixels = scatter(0, phase, 0, tiles, f0, count, products.get() + before * out_plane, width, out_plane,
                         pixels);
      });
      if (seen && panel == 0) *seen = pixels;
    });
  }

 private:
  // Where the matrices of a product's sum lie.
  struct Terms {
    int count = 0;
    int64_t data[4], filter[4];

    Terms(const WinogradShape& shape, const TilePhase& phase, int product, int64_t data_plane,
          int64_t filter_plane) {
      const WinogradSum &row = shape.sums[phase.rows.first + product / phase.cols.products],
                        &col = shape.sums[phase.cols.first + product % phase.cols.products];
      for (int i = 0; i < row.terms; ++i) {
        for (int j = 0; j < col.terms; ++j, ++count) {
          data[count] = (row.data[i] * shape.data + col.data[j]) * data_plane;
          filter[count] = (row.filter[i] * shape.filters + col.filter[j]) * filter_plane;
        }
      }
    }
  };

  // Whether what the layer before wrote is probably at hand still: then to ask for it takes up to a seventh
  // of the layer's time.
  bool in_cache() const {
    constexpr int64_t kBytes = 256 * 1024;  // of a second cache of 512 KB or more
    return (x.size() + y.size()) * static_cast<int64_t>(sizeof(T)) <= kBytes;
  }

  PhasePrefetch<T> prefetch(const TilePhase& phase, int64_t tile0, int64_t tiles) const {
    const auto out_of = [&](const auto& image) {
      return Prefetch(phase.of(image), grid, phase.squares(), tile0, tiles);
    };
    return {out_of(residual_pixels(epilogue.residual, y)),
            out_of(norm ? norm->x.view() : TensorView<const T>{}),
            out_of(norm ? norm->residual.view() : TensorView<const T>{}), out_of(y), tiles};
  }

  void gather(int64_t tile0, int64_t tiles, T* out, int64_t plane) const {
    TileCursor at(grid, tile0);
    for (int64_t t = 0; t < tiles; ++t, at.next()) {
      patch_to_planes(patch_of(x, tiling.in, at), out + t * c, plane);
    }
  }

  // products (tiles x cols) (+)= data (tiles x depth, rows of c) x a panel of filters, in one plane, summed
  // over its terms.
  void multiply(const Terms& terms, const T* data, int64_t tiles, const T* filter, int64_t depth,
                int64_t cols, bool accumulate, T* products, int64_t product_row) const {
    const int64_t strips = ceil_div(tiles, gemm.rows);
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t row = part_begin(tiles, strips, s);
      GemmTile<T> tile{};
      tile.a = data + row * c;
      tile.b = filter;
      tile.runs = terms.count;
      tile.a_offset = terms.data;
      tile.b_offset = terms.filter;
      tile.depth = depth;
      tile.a_row = c;
      tile.a_col = 1;
      tile.b_row = gemm.cols;
      tile.c = products + row * product_row;
      tile.c_row = product_row;
      tile.rows = static_cast<int>(part_begin(tiles, strips, s + 1) - row);
      tile.cols = static_cast<int>(cols);
      tile.accumulate = accumulate;
      gemm.tile(tile);
    }
  }

  // Writes a phase's pixels of `count` filters from f0, after `before` of other phases, and returns how many
  // there are with these.
  int64_t scatter(int64_t index, const TilePhase& phase, int64_t tile0, int64_t tiles, int64_t f0,
                  int64_t count, const T* products, int64_t product_row, int64_t plane,
                  int64_t before) const {
    const auto of_f0 = [&](auto view) {
      if (view.data) view.data += f0;
      return phase.of(view);
    };
    const TileSquares& squares = phase.squares();
    const TensorView<T> to = of_f0(y);
    const TensorView<const T> added = of_f0(residual_pixels(epilogue.residual, y));
    TensorView<const T> norm_x, norm_residual;
    WinogradFromPlanes<T> out{};
    out.plane = plane;
    out.channels = count;
    out.bias = epilogue.bias ? epilogue.bias + f0 : nullptr;
    out.relu = epilogue.relu;
    if (mean) {
      out.mean = mean + index * f + f0;
      out.sum_squares = sum_squares + index * f + f0;
    }
    out.seen = before;
    if (norm) {
      norm->give_to(out, index, f0);
      norm_x = of_f0(norm->x.view());
      norm_residual = of_f0(norm->residual.view());
    }
    TileCursor at(grid, tile0);
    for (int64_t t = 0; t < tiles; ++t, at.next()) {
      out.in = products + t * product_row;
      out.pixels = patch_of(to, squares, at);
      if (added.data) out.residual = patch_of(added, squares, at);
      if (norm) out.norm_x = patch_of(norm_x, squares, at);
      if (norm_residual.data) out.norm_residual = patch_of(norm_residual, squares, at);
      winograd.scatter[phase.row][phase.col](out);
      out.seen += out.pixels.inside();
    }
    return out.seen;
  }
};

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
void correlate_tiles(WinogradForm form, const TensorView<const T>& x, const TensorView<const T>& w,
                     int64_t pad_h, int64_t pad_w, const TensorView<T>& y, const Epilogue<T>& epilogue,
                     const NormReduction<T>* reduction, const BatchNorm<T>* input_norm, Kept* kept) {
  const WinogradKernel<T> winograd = FASTNN_DISPATCH(winograd_kernel<T>)(form);
  const WinogradShape& shape = winograd.shape;
  const Tiling tiling(form, shape, y.shape, pad_h, pad_w);
  const TileGrid& grid = tiling.grid;
  if (reduction) {
    std::fill_n(reduction->sum, y.shape[1], 0.0);
    std::fill_n(reduction->product, y.shape[1], 0.0);
  }
  if (grid.count() == 0) return;
  const GemmKernel<T> gemm = FASTNN_DISPATCH(gemm_kernel<T>)();
  const int64_t c = x.shape[1], f = y.shape[1];
  const bool narrow = f <= winograd.lanes;
  // Then the transformed filters are four times as large as all tiles, or more.
  const bool by_filters = !narrow && 4 * grid.count() <= f;
  std::optional<KeptOr<Filters<T>>> filters;
  if (kept || !by_filters) {
    filters.emplace(KeptAs{kept, static_cast<int>(form)},
                    [&] { return transform_filters<T>(winograd, w, narrow ? winograd.lanes : gemm.cols); });
  }
  const int64_t block =
      by_filters ? grid.count() : block_tiles<T>(winograd, gemm, grid.count(), c, f, narrow);
  const int64_t blocks = ceil_div(grid.count(), block);

  Buffer<T> statistics;
  Buffer<int64_t> seen;
  if (epilogue.mean) {
    statistics = Buffer<T>(2 * blocks * f);
    seen = Buffer<int64_t>(blocks);
  }
  std::optional<BlockReduction<T>> norm;
  if (reduction) norm.emplace(*reduction, blocks);
  const PixelImages<T> images(x);
  const PatchGather<T> patch_to_planes(winograd, c, input_norm);
  const Forward<T> forward{winograd,
                           patch_to_planes,
                           gemm,
                           tiling,
                           images.view(),
                           w,
                           y,
                           filters ? &**filters : nullptr,
                           epilogue,
                           norm ? &*norm : nullptr,
                           narrow,
                           block,
                           statistics.get(),
                           epilogue.mean ? statistics.get() + blocks * f : nullptr,
                           seen.get()};
  if (by_filters) {
    forward.run_by_filters();
  } else {
    const double flops = 2.0 * static_cast<double>(shape.terms() * grid.count() * c) * static_cast<double>(f);
    parallel_for(blocks, flops / kFlopsPerNs, [&](int64_t index) { forward.run_block(index); });
  }
  if (epilogue.mean) {
    gemm_join_statistics(statistics.get(), statistics.get() + blocks * f, seen.get(), blocks, f, epilogue);
  }
  if (norm) norm->join(blocks, *reduction);
}

}  // namespace

template <class T>
void winograd_forward(int m, int64_t stride, TensorView<const T> x, TensorView<const T> w, int64_t pad_h,
                      int64_t pad_w, TensorView<T> y, const Epilogue<T>& epilogue, Kept* kept,
                      const BatchNorm<T>* input_norm) {
  const DenseFilters<T> dense(w);
  if (!input_norm && winograd_is_thin(m, stride, x.shape[1]))
    return thin_forward<T>(x, dense.view, pad_h, pad_w, y, epilogue, kept);
  correlate_tiles<T>(winograd_form(m, stride), x, dense.view, pad_h, pad_w, y, epilogue, nullptr, input_norm,
                     kept);
}

template <class T>
void winograd_backward_data(int m, int64_t stride, TensorView<const T> dy, TensorView<const T> w,
                            int64_t pad_h, int64_t pad_w, TensorView<T> dx, const Epilogue<T>& epilogue,
                            const NormReduction<T>* reduction) {
  const DenseFilters<T> dense(w);
  const auto correlate = [&](WinogradForm form, int64_t rows, int64_t cols) {
    correlate_tiles<T>(form, dy, turned(dense.view), rows, cols, dx, epilogue, reduction, nullptr, nullptr);
  };
  if (stride == 2) return correlate(WinogradForm::doubling, pad_h, pad_w);
  correlate(winograd_form(m, 1), 2 - pad_h, 2 - pad_w);
}

template <class T>
int winograd_lanes() {
  return FASTNN_DISPATCH(winograd_kernel<T>)(WinogradForm::four).lanes;
}

#define FASTNN_X(T)                                                                                        \
  template int winograd_lanes<T>();                                                                        \
  template void winograd_forward(int, int64_t, TensorView<const T>, TensorView<const T>, int64_t, int64_t, \
                                 TensorView<T>, const Epilogue<T>&, Kept*, const BatchNorm<T>*);           \
  template void winograd_backward_data(int, int64_t, TensorView<const T>, TensorView<const T>, int64_t,    \
                                       int64_t, TensorView<T>, const Epilogue<T>&, const NormReduction<T>*);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
