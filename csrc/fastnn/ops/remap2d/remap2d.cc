#include "fastnn/ops/remap2d/remap2d.h"

#include <algorithm>

#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/pool_windows.h"
#include "fastnn/ops/remap2d/remap2d_kernel.h"

namespace fastnn {
namespace {

// The input positions that each position of a result is the sum of, list i from start[i] to before
// start[i + 1].
struct Lists {
  std::vector<int32_t> start{0}, source;

  int64_t size() const { return static_cast<int64_t>(start.size()) - 1; }
  const int32_t* begin(int64_t i) const { return source.data() + start[static_cast<size_t>(i)]; }
  // Whether list i is the one before it, moved on by one.
  bool follows(int64_t i) const {
    const auto next = [](int32_t before, int32_t after) { return before + 1 == after; };
    return std::equal(begin(i - 1), begin(i), begin(i), begin(i + 1), next);
  }
  void close() { start.push_back(static_cast<int32_t>(source.size())); }
};

// Forward: each position's source, if it has one.
Lists sources_of(const Sources& sources) {
  Lists lists;
  for (int32_t source : sources) {
    if (source >= 0) lists.source.push_back(source);
    lists.close();
  }
  return lists;
}

// Backward: the positions whose source is each of `size` positions, in rising order.
Lists targets_of(const Sources& sources, int64_t size) {
  std::vector<std::vector<int32_t>> targets(static_cast<size_t>(size));
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] >= 0) targets[static_cast<size_t>(sources[i])].push_back(static_cast<int32_t>(i));
  }
  Lists lists;
  for (const auto& some : targets) {
    lists.source.insert(lists.source.end(), some.begin(), some.end());
    lists.close();
  }
  return lists;
}

// Lists as runs: single ones, or joined where each list is the one before it, moved on by one.
class Runs {
 public:
  Runs(const Lists& lists, bool join) {
    for (int64_t i = 0; i < lists.size(); ++i) {
      if (join && i > 0 && lists.follows(i)) continue;
      begin_.push_back(static_cast<int32_t>(i));
      first_.source.insert(first_.source.end(), lists.begin(i), lists.begin(i + 1));
      first_.close();
    }
    begin_.push_back(static_cast<int32_t>(lists.size()));
  }

  RemapAxis axis() const { return {first_.size(), begin_.data(), first_.start.data(), first_.source.data()}; }

 private:
  std::vector<int32_t> begin_;
  Lists first_;
};

template <class T>
void run(const TensorView<const T>& in, const Lists& rows, const Lists& cols, const TensorView<T>& out) {
  const Remap2dKernel<T> kernel = FASTNN_DISPATCH(remap2d_kernel<T>)();
  const PixelImages<T> images(in);
  const int64_t height = out.shape[2], width = out.shape[3], channels = out.shape[1];
  const int64_t bands = bands_an_image(height, width * channels);
  const double bytes = sizeof(T) * static_cast<double>(in.size() + out.size());
  const bool dense = in.shape[3] < 2 || images.pixel_stride() == channels;
  const Runs row_runs(rows, false), col_runs(cols, dense);
  parallel_for(out.shape[0] * bands, bytes / kBytesPerNs, [&](int64_t chunk) {
    const int64_t n = chunk / bands, band = chunk % bands;
    kernel.sum({part_begin(height, bands, band), part_begin(height, bands, band + 1), width, channels,
                row_runs.axis(), col_runs.axis(), images.image(n), images.row_stride(), images.pixel_stride(),
                out.data + n * height * width * channels});
  });
}

}  // namespace

Sources zero_padded(int64_t size, int64_t before, int64_t after) {
  Sources sources(static_cast<size_t>(before + size + after), -1);
  for (int64_t i = 0; i < size; ++i) sources[static_cast<size_t>(before + i)] = static_cast<int32_t>(i);
  return sources;
}

Sources reflected(int64_t size, int64_t before, int64_t after) {
  Sources sources;
  for (int64_t i = -before; i < size + after; ++i) {
    const int64_t inside = i < size ? i : 2 * (size - 1) - i;
    sources.push_back(static_cast<int32_t>(inside < 0 ? -inside : inside));
  }
  return sources;
}

Sources repeated(int64_t size, int64_t times) {
  Sources sources;
  for (int64_t i = 0; i < size * times; ++i) sources.push_back(static_cast<int32_t>(i / times));
  return sources;
}

template <class T>
void remap2d_forward(const TensorView<const T>& x, const Remap2d& map, const TensorView<T>& y) {
  run<T>(x, sources_of(map.rows), sources_of(map.cols), y);
}

template <class T>
void remap2d_backward(const TensorView<const T>& dy, const Remap2d& map, const TensorView<T>& dx) {
  run<T>(dy, targets_of(map.rows, dx.shape[2]), targets_of(map.cols, dx.shape[3]), dx);
}

#define FASTNN_X(T)                                                                                \
  template void remap2d_forward(const TensorView<const T>&, const Remap2d&, const TensorView<T>&); \
  template void remap2d_backward(const TensorView<const T>&, const Remap2d&, const TensorView<T>&);
FASTNN_X(float)
FASTNN_X(double)
#undef FASTNN_X

}  // namespace fastnn
