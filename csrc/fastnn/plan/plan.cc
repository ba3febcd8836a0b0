#include "fastnn/plan/plan.h"

#include <algorithm>

#include "fastnn/base/allocator.h"
#include "fastnn/base/check.h"
#include "fastnn/base/pixel_rows.h"
#include "fastnn/base/shape.h"
#include "fastnn/ops/avgpool2d/avgpool2d.h"
#include "fastnn/ops/linear/linear.h"
#include "fastnn/ops/maxpool2d/maxpool2d.h"
#include "fastnn/ops/relu/relu.h"

namespace fastnn {
namespace {

constexpr const char* kOp = "predict";

template <class T>
TensorView<T> rows(int64_t n, int64_t features) {
  return {nullptr, 2, {n, features}, {features, 1}};
}

template <class T>
TensorView<T> images(int64_t n, int64_t c, int64_t h, int64_t w) {
  return {nullptr, 4, {n, c, h, w}, {h * w * c, 1, w * c, c}};
}

template <class T>
TensorView<T> dense_like(const TensorView<const T>& x) {
  return x.rank == 2 ? rows<T>(x.shape[0], x.shape[1])
                     : images<T>(x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
}

// A dense view of x's shape, the last axis innermost.
template <class T>
TensorView<T> c_order(const TensorView<const T>& x, T* data) {
  TensorView<T> view{data, x.rank, {}, {}};
  int64_t step = 1;
  for (int d = x.rank - 1; d >= 0; step *= x.shape[d--]) {
    view.shape[d] = x.shape[d];
    view.stride[d] = step;
  }
  return view;
}

void check_rank(int rank, int expected, const char* axes) {
  check(rank == expected, kOp, "X: expected a shape that leads to ", axes, ", got one that leads to rank ",
        rank);
}

void check_rows_or_images(int rank) {
  check(rank == 2 || rank == 4, kOp, "X: expected shape (N, C) or (N, C, H, W), got rank ", rank);
}

void check_width(int64_t size, int64_t expected, const char* what) {
  check(size == expected, kOp, "X: expected a shape that leads to ", expected, ' ', what, ", got ", size);
}

template <class T>
std::vector<T> copied(const T* data, int64_t size) {
  return data ? std::vector<T>(data, data + size) : std::vector<T>();
}

template <class T>
Epilogue<T> epilogue_of(const std::vector<T>& bias, const PixelRows<T>& residual, bool relu) {
  Epilogue<T> epilogue;
  epilogue.bias = bias.empty() ? nullptr : bias.data();
  epilogue.residual = residual.matrix();
  epilogue.relu = relu;
  return epilogue;
}

template <class T>
struct LinearStep final : Step<T> {
  PackedMatrix<T> w;
  std::vector<T> b;
  bool of_images, relu;

  LinearStep(int x, MatrixView<const T> w, const T* b, bool of_images, int residual, bool relu)
      : Step<T>(x, residual),
        w(gemm_pack<T>(w.transposed())),
        b(copied(b, w.rows)),
        of_images(of_images),
        relu(relu) {}

  TensorView<T> result(const TensorView<const T>& x) const override {
    check_rank(x.rank, of_images ? 4 : 2, of_images ? "(N, C, H, W)" : "(N, features)");
    int64_t features = 1;
    for (int d = 1; d < x.rank; ++d) features *= x.shape[d];
    check_width(features, w.rows, "features");
    return rows<T>(x.shape[0], w.cols);
  }
  void run(const TensorView<const T>& x, const TensorView<const T>& residual,
           const TensorView<T>& y) const override {
    const PixelRows<T> added(residual);
    MatrixView<const T> in = row_major(x.data, x.shape[0], w.rows);
    if (x.rank == 2) {
      if (in.rows > 1) in.row_stride = x.stride[0];
      if (in.cols > 1) in.col_stride = x.stride[1];
    }
    gemm<T>(in, w, row_major(y.data, y.shape[0], y.shape[1]), {}, epilogue_of(b, added, relu));
  }
};

template <class T>
struct Conv2dStep final : Step<T> {
  TensorView<const T> w;
  std::vector<T> weights, b;
  Conv2dSettings settings;
  bool relu;
  mutable Kept kept;  // which form the filters need depends on the images

  Conv2dStep(int x, TensorView<const T> w, const T* b, const Conv2dSettings& settings, int residual,
             bool relu)
      : Step<T>(x, residual),
        w(w),
        weights(w.size()),
        b(copied(b, w.shape[0])),
        settings(settings),
        relu(relu) {
    const TensorView<T> copy = c_order(w, weights.data());
    copy_dense(w, copy);
    this->w = copy;
  }

  TensorView<T> result(const TensorView<const T>& x) const override {
    check_rank(x.rank, 4, "(N, C, H, W)");
    check_width(x.shape[1], w.shape[1] * settings.groups, "channels");
    const int64_t oh = settings.window.h.outputs(x.shape[2]), ow = settings.window.w.outputs(x.shape[3]);
    check(oh > 0 && ow > 0, kOp, "X: expected images as large as the kernels, got smaller ones");
    return images<T>(x.shape[0], w.shape[0], oh, ow);
  }
  void run(const TensorView<const T>& x, const TensorView<const T>& residual,
           const TensorView<T>& y) const override {
    const PixelRows<T> added(residual);
    conv2d_forward<T>(x, w, y, settings, {}, epilogue_of(b, added, relu), &kept);
  }
};

template <class T>
struct BatchNormStep final : Step<T> {
  std::vector<T> gamma, beta;
  std::vector<double> mean, var;
  BatchNorm<T> norm;

  int rank;

  BatchNormStep(int x, int rank, int64_t channels, const BatchNorm<T>& norm, int residual)
      : Step<T>(x, residual),
        gamma(copied(norm.gamma, channels)),
        beta(copied(norm.beta, channels)),
        mean(copied(norm.mean, channels)),
        var(copied(norm.var, channels)),
        norm(norm),
        rank(rank) {
    this->norm.gamma = gamma.data();
    this->norm.beta = beta.data();
    this->norm.mean = mean.data();
    this->norm.var = var.data();
  }

  TensorView<T> result(const TensorView<const T>& x) const override {
    rank ? check_rank(x.rank, rank, rank == 2 ? "(N, C)" : "(N, C, H, W)") : check_rows_or_images(x.rank);
    check_width(x.shape[1], static_cast<int64_t>(gamma.size()), "channels");
    return dense_like(x);
  }
  void run(const TensorView<const T>& x, const TensorView<const T>& residual,
           const TensorView<T>& y) const override {
    BatchNorm<T> all = norm;
    all.residual = residual;
    batchnorm_forward<T>(x, all, y);
  }
};

// A function of every number by itself.
template <class T>
struct PointwiseStep : Step<T> {
  using Step<T>::Step;
  TensorView<T> result(const TensorView<const T>& x) const override {
    check_rows_or_images(x.rank);
    return dense_like(x);
  }
};

template <class T>
struct ReluStep final : PointwiseStep<T> {
  using PointwiseStep<T>::PointwiseStep;
  void run(const TensorView<const T>& x, const TensorView<const T>&, const TensorView<T>& y) const override {
    relu_forward<T>(x, y);
  }
};

template <class T>
struct ActivationStep final : PointwiseStep<T> {
  ActivationSpec spec;

  ActivationStep(int x, const ActivationSpec& spec) : PointwiseStep<T>(x), spec(spec) {}
  void run(const TensorView<const T>& x, const TensorView<const T>&, const TensorView<T>& y) const override {
    activation_forward<T>(spec, x, y);
  }
};

// Images whose pixels are windows of x.
template <class T>
TensorView<T> pooled(const TensorView<const T>& x, const Window2d& window) {
  check_rank(x.rank, 4, "(N, C, H, W)");
  const int64_t oh = window.h.outputs(x.shape[2]), ow = window.w.outputs(x.shape[3]);
  check(oh > 0 && ow > 0, kOp, "X: expected images as large as the pooling windows, got smaller ones");
  return images<T>(x.shape[0], x.shape[1], oh, ow);
}

template <class T>
struct MaxPoolStep final : Step<T> {
  Window2d window;
  bool ceil_mode;

  MaxPoolStep(int x, const Window2d& window, bool ceil_mode)
      : Step<T>(x), window(window), ceil_mode(ceil_mode) {}
  Window2d window_on(const int64_t* shape) const {
    return ceil_mode ? ceiled(window, shape[2], shape[3]) : window;
  }
  TensorView<T> result(const TensorView<const T>& x) const override { return pooled(x, window_on(x.shape)); }
  void run(const TensorView<const T>& x, const TensorView<const T>&, const TensorView<T>& y) const override {
    const PoolWindows windows = sliding_windows(window_on(x.shape), x.shape[2], x.shape[3]);
    const bool narrow = Winners<T>::fit_bytes(windows);
    const Buffer<uint8_t> bytes(narrow ? y.size() : 0);
    const Buffer<T> wide(narrow ? 0 : y.size());
    maxpool2d_forward<T>(x, windows, y, {narrow ? bytes.get() : nullptr, narrow ? nullptr : wide.get()});
  }
};

// Without a window the whole image is one.
template <class T>
struct AvgPoolStep final : Step<T> {
  Window2d window;
  bool global, ceil_mode, count_include_pad;

  AvgPoolStep(int x, const Window2d& window, bool global, bool ceil_mode, bool count_include_pad)
      : Step<T>(x),
        window(window),
        global(global),
        ceil_mode(ceil_mode),
        count_include_pad(count_include_pad) {}
  Window2d window_on(const int64_t* shape) const {
    if (global) return {{shape[2], 1, 0, 1}, {shape[3], 1, 0, 1}};
    return ceil_mode ? ceiled(window, shape[2], shape[3]) : window;
  }
  TensorView<T> result(const TensorView<const T>& x) const override { return pooled(x, window_on(x.shape)); }
  void run(const TensorView<const T>& x, const TensorView<const T>&, const TensorView<T>& y) const override {
    const Window2d used = window_on(x.shape);
    const PoolWindows windows = sliding_windows(used, x.shape[2], x.shape[3]);
    const PoolWindows padded = padded_windows(used, x.shape[2], x.shape[3]);
    avgpool2d_forward<T>(x, windows, count_include_pad ? padded : windows, y);
  }
};

template <class T>
struct FlattenStep final : Step<T> {
  using Step<T>::Step;
  TensorView<T> result(const TensorView<const T>& x) const override {
    int64_t features = 1;
    for (int d = 1; d < x.rank; ++d) features *= x.shape[d];
    return rows<T>(x.shape[0], features);
  }
  void run(const TensorView<const T>& x, const TensorView<const T>&, const TensorView<T>& y) const override {
    copy_dense(x, c_order(x, y.data));
  }
};

}  // namespace

template <class T>
int Plan<T>::append(std::unique_ptr<Step<T>> step) {
  const int index = static_cast<int>(steps_.size());
  last_reader_.resize(index + 1, 0);
  for (int read : {step->x, step->residual}) {
    check(read <= index, "Plan", "value: expected one of an earlier step, got ", read);
    if (read >= 0) last_reader_[read] = index;
  }
  steps_.push_back(std::move(step));
  return index + 1;
}

template <class T>
int Plan<T>::linear(int x, MatrixView<const T> w, const T* b, bool of_images, int residual, bool relu) {
  check(x > 0 || !of_images, "Plan.linear", "x: expected images that a step made, got the input");
  return append(std::make_unique<LinearStep<T>>(x, w, b, of_images, residual, relu));
}

template <class T>
int Plan<T>::conv2d(int x, TensorView<const T> w, const T* b, const Conv2dSettings& settings, int residual,
                    bool relu) {
  return append(std::make_unique<Conv2dStep<T>>(x, w, b, settings, residual, relu));
}

template <class T>
int Plan<T>::batchnorm(int x, int rank, int64_t channels, const BatchNorm<T>& norm, int residual) {
  return append(std::make_unique<BatchNormStep<T>>(x, rank, channels, norm, residual));
}

template <class T>
int Plan<T>::relu(int x) {
  return append(std::make_unique<ReluStep<T>>(x));
}

template <class T>
int Plan<T>::activation(int x, const ActivationSpec& spec) {
  return append(std::make_unique<ActivationStep<T>>(x, spec));
}

template <class T>
int Plan<T>::maxpool2d(int x, const Window2d& window, bool ceil_mode) {
  return append(std::make_unique<MaxPoolStep<T>>(x, window, ceil_mode));
}

template <class T>
int Plan<T>::avgpool2d(int x, const Window2d& window, bool ceil_mode, bool count_include_pad) {
  return append(std::make_unique<AvgPoolStep<T>>(x, window, false, ceil_mode, count_include_pad));
}

template <class T>
int Plan<T>::global_avgpool2d(int x) {
  return append(std::make_unique<AvgPoolStep<T>>(x, Window2d{}, true, false, true));
}

template <class T>
int Plan<T>::flatten(int x) {
  return append(std::make_unique<FlattenStep<T>>(x));
}

template <class T>
std::shared_ptr<const typename Plan<T>::Flow> Plan<T>::flow(const TensorView<const T>& x) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (latest_) {
    const TensorView<T>& last = latest_->values[0];
    if (last.rank == x.rank && std::equal(x.shape, x.shape + x.rank, last.shape)) return latest_;
  }
  check(!steps_.empty(), "Plan", "steps: expected at least one, got none");
  auto flow = std::make_shared<Flow>();
  flow->values.push_back(c_order<T>(x, nullptr));
  for (const auto& step : steps_) {
    const TensorView<T> made = step->result(flow->values[static_cast<size_t>(step->x)]);
    if (step->residual >= 0) {
      const TensorView<T>& added = flow->values[static_cast<size_t>(step->residual)];
      check(added.rank == made.rank && std::equal(added.shape, added.shape + added.rank, made.shape), kOp,
            "X: expected a shape for which both paths of a residual block agree, got another");
    }
    flow->values.push_back(made);
  }
  place(*flow);
  latest_ = flow;
  return flow;
}

// Gives every value but the first and the last the lowest stretch of the block that is free while it lives.
template <class T>
void Plan<T>::place(Flow& flow) const {
  struct Stretch {
    int64_t begin, end;
    int last;  // step that reads it
  };
  std::vector<Stretch> live;  // in the order of memory
  flow.offset.assign(flow.values.size(), 0);
  for (size_t i = 1; i + 1 < flow.values.size(); ++i) {
    const int step = static_cast<int>(i) - 1;
    const auto is_over = [&](const Stretch& s) { return s.last < step; };
    live.erase(std::remove_if(live.begin(), live.end(), is_over), live.end());
    const int64_t size = round_up(flow.values[i].size(), kAlignment / static_cast<int64_t>(sizeof(T)));
    int64_t begin = 0;
    auto next = live.begin();
    for (; next != live.end() && next->begin - begin < size; ++next) begin = next->end;
    live.insert(next, {begin, begin + size, last_reader_[i]});
    flow.offset[i] = begin;
    flow.size = std::max(flow.size, begin + size);
  }
}

template <class T>
TensorView<T> Plan<T>::result(const TensorView<const T>& x) const {
  return flow(x)->values.back();
}

template <class T>
void Plan<T>::run(const TensorView<const T>& x, const TensorView<T>& y) const {
  check(active_isa() == isa_, "Plan", "ISA: expected ", isa_name(isa_), " as when it was built, got ",
        isa_name(active_isa()));
  const std::shared_ptr<const Flow> flow = this->flow(x);
  const Buffer<T> block(flow->size);
  const auto made = [&](size_t value) {
    TensorView<T> view = flow->values[value];
    view.data = value + 1 == flow->values.size() ? y.data : block.get() + flow->offset[value];
    return view;
  };
  const auto read = [&](int value) -> TensorView<const T> {
    if (value < 0) return {};
    return value == 0 ? x : TensorView<const T>(made(static_cast<size_t>(value)));
  };
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step<T>& step = *steps_[i];
    step.run(read(step.x), read(step.residual), made(i + 1));
  }
}

template class Plan<float>;
template class Plan<double>;

}  // namespace fastnn
