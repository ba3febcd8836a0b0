// Each operation against its reference in plain loops: equal where integers make it exact, else close. One
// function an operation; to add one, write it and name it in test_ops().
#include "fastnn/ops/activation/activation_ref.h"
#include "fastnn/ops/adam_update/adam_update_ref.h"
#include "fastnn/ops/avgpool2d/avgpool2d.h"
#include "fastnn/ops/avgpool2d/avgpool2d_ref.h"
#include "fastnn/ops/batchnorm/batchnorm_ref.h"
#include "fastnn/ops/conv2d/conv2d_ref.h"
#include "fastnn/ops/conv_transpose2d/conv_transpose2d_ref.h"
#include "fastnn/ops/groupnorm/groupnorm.h"
#include "fastnn/ops/groupnorm/groupnorm_ref.h"
#include "fastnn/ops/layernorm/layernorm.h"
#include "fastnn/ops/layernorm/layernorm_ref.h"
#include "fastnn/ops/linear/linear.h"
#include "fastnn/ops/linear/linear_ref.h"
#include "fastnn/ops/maxout/maxout.h"
#include "fastnn/ops/maxout/maxout_ref.h"
#include "fastnn/ops/maxpool2d/maxpool2d.h"
#include "fastnn/ops/maxpool2d/maxpool2d_ref.h"
#include "fastnn/ops/prelu/prelu.h"
#include "fastnn/ops/prelu/prelu_ref.h"
#include "fastnn/ops/relu/relu.h"
#include "fastnn/ops/relu/relu_ref.h"
#include "fastnn/ops/remap2d/remap2d_ref.h"
#include "fastnn/ops/sgd_update/sgd_update_ref.h"
#include "fastnn/ops/softmax/softmax.h"
#include "fastnn/ops/softmax/softmax_ref.h"
#include "fastnn/ops/softmax_cross_entropy/softmax_cross_entropy_ref.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

template <class T>
void test_gemm_at(int64_t m, int64_t n, int64_t k) {
  const Data<T> a = Data<T>::integers(m * k), b = Data<T>::integers(k * n);
  const Data<T> bias = Data<T>::integers(n), residual = Data<T>::integers(m * n);
  Data<T> c(m * n), expected(m * n);
  Epilogue<T> epilogue;
  epilogue.bias = bias.get();
  epilogue.residual = residual.matrix(m, n);
  epilogue.relu = true;
  for (bool a_turned : {false, true}) {
    for (bool b_turned : {false, true}) {
      const auto a_view = a_turned ? a.matrix(k, m).transposed() : a.matrix(m, k);
      const auto b_view = b_turned ? b.matrix(n, k).transposed() : b.matrix(k, n);
      gemm<T>(a_view, b_view, c.matrix(m, n), {}, epilogue);
      gemm_ref<T>(a_view, b_view, expected.matrix(m, n), {}, epilogue);
      expect_equal(c, expected, "gemm");
    }
  }
}

template <class T>
void test_gemm() {
  for (int64_t n : tail_sizes(130)) test_gemm_at<T>(5, n, 9);
  for (int64_t m : tail_sizes(120)) test_gemm_at<T>(m, 37, 3);
  for (int64_t n : tail_sizes(300)) test_gemm_at<T>(n % 7 + 1, n, 5);  // wide tiles
  test_gemm_at<T>(33, 35, 600);                                        // more than one run of the sum
  test_gemm_at<T>(45, 290, 700);                                       // chunks of whole columns
}

// A prologue, and statistics of the columns, in chunks of rows and of columns.
template <class T>
void test_gemm_normalised() {
  const int64_t m = 50, k = 530;
  const Data<T> a = Data<T>::integers(m * k), scale = Data<T>::integers(k), shift = Data<T>::integers(k);
  for (int64_t n : {20, 290}) {
    const Data<T> b = Data<T>::integers(k * n);
    Data<T> c(m * n), expected(m * n);
    Data<double> mean(n), mean_expected(n), squares(n), squares_expected(n);
    const Prologue<T> prologue{scale.get(), shift.get(), true};
    Epilogue<T> epilogue;
    epilogue.mean = mean.get(), epilogue.sum_squares = squares.get();
    gemm<T>(a.matrix(m, k), b.matrix(k, n), c.matrix(m, n), prologue, epilogue);
    epilogue.mean = mean_expected.get(), epilogue.sum_squares = squares_expected.get();
    gemm_ref<T>(a.matrix(m, k), b.matrix(k, n), expected.matrix(m, n), prologue, epilogue);
    expect_equal(c, expected, "gemm with prologue");
    const double epsilons = 16 * std::numeric_limits<T>::epsilon() / std::numeric_limits<double>::epsilon();
    expect_close(mean, mean_expected, epsilons, "gemm means");
    expect_close(squares, squares_expected, epsilons, "gemm squared deviations");
  }
}

// A turned B, and a long sum or few columns.
template <class T>
void test_gemm_dots() {
  for (int64_t n : tail_sizes(40)) test_gemm_at<T>(n % 5 + 1, n, 200);
  for (int64_t m : tail_sizes(70)) test_gemm_at<T>(m, 10, 83);
}

template <class T>
void test_linear() {
  for (int64_t out : tail_sizes(100)) {
    const int64_t n = 7, in = 19;
    const Data<T> x = Data<T>::integers(n * in), w = Data<T>::integers(out * in);
    const Data<T> dy = Data<T>::integers(n * out);
    Data<T> y(n * out), y_expected(n * out), dx(n * in), dx_expected(n * in);
    Data<T> dw(out * in), dw_expected(out * in), db(out), db_expected(out);
    linear_forward<T>(x.matrix(n, in), w.matrix(out, in), y.matrix(n, out));
    linear_forward_ref<T>(x.matrix(n, in), w.matrix(out, in), y_expected.matrix(n, out));
    expect_equal(y, y_expected, "linear_forward");
    linear_backward<T>(dy.matrix(n, out), x.matrix(n, in), w.matrix(out, in), dx.matrix(n, in),
                       dw.matrix(out, in), db.get());
    linear_backward_ref<T>(dy.matrix(n, out), x.matrix(n, in), w.matrix(out, in), dx_expected.matrix(n, in),
                           dw_expected.matrix(out, in), db_expected.get());
    expect_equal(dx, dx_expected, "linear_backward dx");
    expect_equal(dw, dw_expected, "linear_backward dw");
    expect_equal(db, db_expected, "linear_backward db");
  }
}

template <class T>
void test_conv2d_at(int64_t channels, int64_t filters, const Conv2dSettings& settings) {
  const int64_t n = 2, height = 6, width = 19;
  const int64_t kh = settings.window.h.kernel, kw = settings.window.w.kernel;
  const int64_t oh = settings.window.h.outputs(height), ow = settings.window.w.outputs(width);
  const int64_t inner = channels / settings.groups;
  const Data<T> x = Data<T>::integers(n * channels * height * width);
  const Data<T> w = Data<T>::integers(filters * inner * kh * kw);
  const Data<T> dy = Data<T>::integers(n * filters * oh * ow);
  const auto x_view = x.image(n, channels, height, width), dy_view = dy.image(n, filters, oh, ow);
  const auto w_view = w.tensor(filters, inner, kh, kw);
  Data<T> y(dy.count()), y_expected(dy.count()), dx(x.count()), dx_expected(x.count());
  Data<T> dw(w.count()), dw_expected(w.count()), db(filters), db_expected(filters);
  conv2d_forward_ref<T>(x_view, w_view, y_expected.image(n, filters, oh, ow), settings);
  conv2d_backward_ref<T>(dy_view, x_view, w_view, dx_expected.image(n, channels, height, width),
                         dw_expected.tensor(filters, inner, kh, kw), db_expected.get(), settings);
  for (ConvAlgo algo : {ConvAlgo::automatic, ConvAlgo::direct, ConvAlgo::im2col, ConvAlgo::winograd}) {
    if (algo == ConvAlgo::winograd && !winograd_applies(settings)) continue;
    const bool exact = algo == ConvAlgo::direct || algo == ConvAlgo::im2col || !winograd_applies(settings);
    Conv2dSettings chosen = settings;
    chosen.algo = algo;
    conv2d_forward<T>(x_view, w_view, y.image(n, filters, oh, ow), chosen);
    conv2d_backward<T>(dy_view, x_view, w_view, dx.image(n, channels, height, width),
                       dw.tensor(filters, inner, kh, kw), db.get(), chosen);
    // Winograd's transforms multiply by fractions, so that integers do not stay exact.
    const auto expect = [&](const Data<T>& actual, const Data<T>& expected, const char* what) {
      exact ? expect_equal(actual, expected, what) : expect_close(actual, expected, 64, what);
    };
    expect(y, y_expected, "conv2d_forward");
    expect(dx, dx_expected, "conv2d_backward dx");
    expect(dw, dw_expected, "conv2d_backward dw");
    expect(db, db_expected, "conv2d_backward db");
  }
}

template <class T>
void test_conv2d() {
  const WindowAxis same{3, 1, 1, 1}, strided{3, 2, 1, 1}, dilated{2, 1, 2, 2}, point{1, 1, 0, 1},
      wide{5, 1, 2, 1}, strided_wide{5, 2, 3, 1};
  for (int64_t size : tail_sizes(40)) {
    test_conv2d_at<T>(3, size, {{same, same}});
    test_conv2d_at<T>(size, 4, {{same, same}});
    test_conv2d_at<T>(size, 5, {{same, strided}});
    test_conv2d_at<T>(size, 5, {{strided, strided}});
    test_conv2d_at<T>(2, size, {{same, wide}});              // few filters: several pixels at a time
    test_conv2d_at<T>(size, size, {{same, dilated}, size});  // depthwise
    test_conv2d_at<T>(size, size, {{strided, strided_wide}, size});
  }
  test_conv2d_at<T>(6, 8, {{strided, dilated}, 2});
  test_conv2d_at<T>(5, 4, {{WindowAxis{4, 1, 0, 1}.same(), WindowAxis{2, 1, 0, 3}.same()}});
  test_conv2d_at<T>(5, 10, {{same, wide}, 5});  // two filters a channel
  test_conv2d_at<T>(10, 5, {{strided, same}, 5});
  test_conv2d_at<T>(18, 35, {{point, point}});
}

template <class T>
void test_conv_transpose2d_at(int64_t channels, int64_t filters, const Conv2dSettings& settings) {
  const int64_t n = 2, oh = 7, ow = 9, inner = filters / settings.groups;
  const int64_t h = settings.window.h.outputs(oh), w = settings.window.w.outputs(ow);
  const int64_t kh = settings.window.h.kernel, kw = settings.window.w.kernel;
  const Data<T> x = Data<T>::integers(n * channels * h * w), dy = Data<T>::integers(n * filters * oh * ow);
  const Data<T> weights = Data<T>::integers(channels * inner * kh * kw), b = Data<T>::integers(filters);
  Data<T> y(dy.count()), y_expected(dy.count()), dx(x.count()), dx_expected(x.count());
  Data<T> dw(weights.count()), dw_expected(weights.count()), db(filters), db_expected(filters);
  const auto x_view = x.image(n, channels, h, w), dy_view = dy.image(n, filters, oh, ow);
  const auto w_view = weights.tensor(channels, inner, kh, kw);
  conv_transpose2d_forward_ref<T>(x_view, w_view, b.get(), y_expected.image(n, filters, oh, ow), settings);
  conv_transpose2d_backward_ref<T>(dy_view, x_view, w_view, dx_expected.image(n, channels, h, w),
                                   dw_expected.tensor(channels, inner, kh, kw), db_expected.get(), settings);
  for (ConvAlgo algo : {ConvAlgo::direct, ConvAlgo::im2col}) {
    Conv2dSettings chosen = settings;
    chosen.algo = algo;
    conv_transpose2d_forward<T>(x_view, w_view, b.get(), y.image(n, filters, oh, ow), chosen);
    conv_transpose2d_backward<T>(dy_view, x_view, w_view, dx.image(n, channels, h, w),
                                 dw.tensor(channels, inner, kh, kw), db.get(), chosen);
    expect_equal(y, y_expected, "conv_transpose2d_forward");
    expect_equal(dx, dx_expected, "conv_transpose2d_backward dx");
    expect_equal(dw, dw_expected, "conv_transpose2d_backward dw");
    expect_equal(db, db_expected, "conv_transpose2d_backward db");
  }
}

template <class T>
void test_conv_transpose2d() {
  const WindowAxis same{3, 1, 1, 1}, strided{4, 2, 1, 1}, dilated{2, 3, 0, 2};
  for (int64_t size : tail_sizes(40)) {
    test_conv_transpose2d_at<T>(3, size, {{same, strided}});
    test_conv_transpose2d_at<T>(size, 4, {{strided, dilated}});
    test_conv_transpose2d_at<T>(size, size, {{strided, same}, size});
  }
  test_conv_transpose2d_at<T>(6, 4, {{same, same}, 2});
}

template <class T>
void test_pool_at(int64_t channels, int64_t h, int64_t w, const PoolWindows& windows,
                  const PoolWindows& counted) {
  const int64_t n = 2, oh = windows.rows.size(), ow = windows.cols.size();
  const Data<T> x = Data<T>::integers(n * h * w * channels), dy = Data<T>::integers(n * oh * ow * channels);
  Data<T> y(dy.count()), y_expected(dy.count()), dx(x.count()), dx_expected(x.count());
  std::vector<uint8_t> winner(static_cast<size_t>(dy.count()));
  std::vector<int64_t> winner_expected(winner.size());
  const Winners<T> winners{winner.data(), nullptr};
  const auto x_view = x.image(n, channels, h, w), dy_view = dy.image(n, channels, oh, ow);
  maxpool2d_forward<T>(x_view, windows, y.image(n, channels, oh, ow), winners);
  maxpool2d_forward_ref(n, channels, h, w, x.get(), windows, y_expected.get(), winner_expected.data());
  expect_equal(y, y_expected, "maxpool2d_forward");
  expect(std::equal(winner.begin(), winner.end(), winner_expected.begin()), "maxpool2d_forward winner");
  maxpool2d_backward<T>(dy_view, winners, windows, dx.image(n, channels, h, w));
  maxpool2d_backward_ref(n, channels, h, w, dy.get(), winner_expected.data(), windows, dx_expected.get());
  expect_equal(dx, dx_expected, "maxpool2d_backward");
  avgpool2d_forward<T>(x_view, windows, counted, y.image(n, channels, oh, ow));
  avgpool2d_forward_ref(n, channels, h, w, x.get(), windows, counted, y_expected.get());
  expect_close(y, y_expected, 32, "avgpool2d_forward");
  avgpool2d_backward<T>(dy_view, windows, counted, dx.image(n, channels, h, w));
  avgpool2d_backward_ref(n, channels, h, w, dy.get(), windows, counted, dx_expected.get());
  expect_close(dx, dx_expected, 32, "avgpool2d_backward");
}

template <class T>
void test_pool() {
  const int64_t h = 8, w = 6;
  for (int64_t channels : tail_sizes(130)) {
    const Window2d window = ceiled({{3, 2, 1, 1}, {2, 3, 0, 1}}, h, w);
    const PoolWindows sliding = sliding_windows(window, h, w);
    test_pool_at<T>(channels, h, w, sliding, padded_windows(window, h, w));
    const PoolWindows equal{adaptive_windows(h, 5), adaptive_windows(w, 7)};
    test_pool_at<T>(channels, h, w, equal, equal);
  }
}

template <class T>
void test_remap2d() {
  const int64_t n = 2, h = 5, w = 4;
  const Remap2d maps[] = {{zero_padded(h, 2, 0), zero_padded(w, 0, 3)},
                          {reflected(h, 4, 1), reflected(w, 0, 3)},
                          {repeated(h, 2), repeated(w, 3)}};
  for (int64_t channels : tail_sizes(130)) {
    for (const Remap2d& map : maps) {
      const int64_t oh = static_cast<int64_t>(map.rows.size()), ow = static_cast<int64_t>(map.cols.size());
      const Data<T> x = Data<T>::integers(n * h * w * channels);
      const Data<T> dy = Data<T>::integers(n * oh * ow * channels);
      Data<T> y(dy.count()), y_expected(dy.count()), dx(x.count()), dx_expected(x.count());
      remap2d_forward<T>(x.image(n, channels, h, w), map, y.image(n, channels, oh, ow));
      remap2d_forward_ref(n, channels, h, w, x.get(), map, y_expected.get());
      expect_equal(y, y_expected, "remap2d_forward");
      remap2d_backward<T>(dy.image(n, channels, oh, ow), map, dx.image(n, channels, h, w));
      remap2d_backward_ref(n, channels, h, w, dy.get(), map, dx_expected.get());
      expect_equal(dx, dx_expected, "remap2d_backward");
    }
  }
}

// Of every column of dy, the sum of its elements' magnitudes: what dbeta adds up, and half of what dgamma
// may, as normalised values are seldom above 2.
template <class T>
Data<double> column_magnitudes(const Data<T>& dy, int64_t columns) {
  Data<double> sums(columns);
  for (int64_t c = 0; c < columns; ++c) {
    sums[c] = 0;
    for (int64_t i = c; i < dy.count(); i += columns) sums[c] += std::fabs(double(dy[i]));
  }
  return sums;
}

template <class T>
void test_batchnorm() {
  for (int64_t channels : tail_sizes(130)) {
    const int64_t n = 5, h = 6, w = 7, count = n * h * w;
    const Data<T> x = Data<T>::between(8, 12, count * channels),
                  dy = Data<T>::between(-1, 1, count * channels);
    const Data<T> gamma = Data<T>::between(0.5, 2, channels), beta = Data<T>::between(-1, 1, channels);
    Data<double> mean(channels), var(channels), mean_expected(channels), var_expected(channels);
    batchnorm_statistics<T>(x.image(n, channels, h, w), mean.get(), var.get());
    batchnorm_statistics_ref<T>(count, channels, x.get(), mean_expected.get(), var_expected.get());
    const double units =
        16 * double(std::numeric_limits<T>::epsilon()) / std::numeric_limits<double>::epsilon();
    expect_close(mean, mean_expected, units, "batchnorm_statistics mean");
    expect_close(var, var_expected, units, "batchnorm_statistics var");
    const Data<double> terms = column_magnitudes(dy, channels);
    for (bool relu : {false, true}) {
      const BatchNorm<T> norm{gamma.get(), beta.get(), mean.get(), var.get(), 1e-5, relu, {}};
      Data<T> y(x.count()), y_expected(x.count()), dx(x.count()), dx_expected(x.count());
      Data<T> dgamma(channels), dgamma_expected(channels), dbeta(channels), dbeta_expected(channels);
      batchnorm_forward<T>(x.image(n, channels, h, w), norm, y.image(n, channels, h, w));
      batchnorm_forward_ref<T>(count, channels, x.get(), norm, y_expected.get());
      expect_close(y, y_expected, 16, "batchnorm_forward");
      batchnorm_backward<T>(dy.image(n, channels, h, w), x.image(n, channels, h, w), norm, true, nullptr,
                            dx.image(n, channels, h, w), {}, dgamma.get(), dbeta.get());
      batchnorm_backward_ref<T>(count, channels, dy.get(), x.get(), y.get(), norm, dx_expected.get(),
                                dgamma_expected.get(), dbeta_expected.get());
      expect_close(dx, dx_expected, 64, "batchnorm_backward dx");
      expect_close_sums(dgamma, dgamma_expected, terms, 8, "batchnorm_backward dgamma");
      expect_close_sums(dbeta, dbeta_expected, terms, 4, "batchnorm_backward dbeta");
    }
  }
}

template <class T>
void test_groupnorm() {
  for (int64_t width : tail_sizes(70)) {
    const int64_t n = 3, groups = 2, h = 7, w = 6, channels = groups * width, size = n * channels * h * w;
    const double eps = 1e-3;
    const Data<T> x = Data<T>::between(-2, 2, size), dy = Data<T>::between(-2, 2, size);
    const Data<T> gamma = Data<T>::between(0.5, 1.5, channels), beta = Data<T>::between(-1, 1, channels);
    Data<T> y(size), dx(size), dgamma(channels), dbeta(channels);
    Data<T> y_expected(size), dx_expected(size), dgamma_expected(channels), dbeta_expected(channels);
    Data<double> statistics(2 * n * groups);
    const GroupNorm<T> norm{gamma.get(), beta.get(), groups, eps};
    const auto x_view = x.image(n, channels, h, w), dy_view = dy.image(n, channels, h, w);
    groupnorm_forward<T>(x_view, norm, y.image(n, channels, h, w), statistics.get());
    groupnorm_backward<T>(dy_view, x_view, norm, statistics.get(), dx.image(n, channels, h, w), dgamma.get(),
                          dbeta.get());
    groupnorm_ref(n, h * w, channels, groups, x.get(), gamma.get(), beta.get(), eps, dy.get(),
                  y_expected.get(), dx_expected.get(), dgamma_expected.get(), dbeta_expected.get());
    expect_close(y, y_expected, 32, "groupnorm_forward");
    expect_close(dx, dx_expected, 32, "groupnorm_backward dx");
    const Data<double> terms = column_magnitudes(dy, channels);
    expect_close_sums(dgamma, dgamma_expected, terms, 8, "groupnorm_backward dgamma");
    expect_close_sums(dbeta, dbeta_expected, terms, 4, "groupnorm_backward dbeta");
  }
}

template <class T>
void test_layernorm() {
  for (int64_t tail : tail_sizes(1000)) {
    // With two columns, dx is all cancellation.
    const int64_t columns = tail + 3, rows = 70, size = rows * columns;
    const double eps = 1e-3;
    const Data<T> x = Data<T>::between(-2, 2, size), dy = Data<T>::between(-2, 2, size);
    const Data<T> gamma = Data<T>::between(0.5, 1.5, columns), beta = Data<T>::between(-1, 1, columns);
    Data<T> y(size), dx(size), dgamma(columns), dbeta(columns);
    Data<T> y_expected(size), dx_expected(size), dgamma_expected(columns), dbeta_expected(columns);
    Data<double> statistics(2 * rows);
    const LayerNorm<T> norm{gamma.vector(), beta.vector(), eps};
    const auto table = [&](auto* data) {
      return TensorView<std::remove_pointer_t<decltype(data)>>{data, 2, {rows, columns}, {columns, 1}};
    };
    layernorm_forward<T>(table(x.get()), norm, table(y.get()), statistics.get());
    layernorm_backward<T>(table(dy.get()), table(x.get()), norm, statistics.get(), table(dx.get()),
                          dgamma.vector(), dbeta.vector());
    layernorm_ref(rows, columns, x.get(), gamma.get(), beta.get(), eps, dy.get(), y_expected.get(),
                  dx_expected.get(), dgamma_expected.get(), dbeta_expected.get());
    expect_close(y, y_expected, 32, "layernorm_forward");
    expect_close(dx, dx_expected, 64, "layernorm_backward dx");
    const Data<double> terms = column_magnitudes(dy, columns);
    expect_close_sums(dgamma, dgamma_expected, terms, 8, "layernorm_backward dgamma");
    expect_close_sums(dbeta, dbeta_expected, terms, 4, "layernorm_backward dbeta");
  }
}

template <class T>
void test_relu() {
  for (int64_t count : tail_sizes(100'000)) {
    const Data<T> x = Data<T>::integers(count), dy = Data<T>::integers(count);
    Data<T> y(count), y_expected(count), dx(count), dx_expected(count);
    relu_forward<T>(x.vector(), y.vector());
    relu_forward_ref<T>(count, x.get(), y_expected.get());
    expect_equal(y, y_expected, "relu_forward");
    relu_backward<T>(dy.vector(), x.vector(), dx.vector());
    relu_backward_ref<T>(count, dy.get(), x.get(), dx_expected.get());
    expect_equal(dx, dx_expected, "relu_backward");
  }
}

template <class T>
void test_activation(const ActivationSpec& spec, bool keeps_y) {
  for (int64_t count : tail_sizes(50'000)) {
    Data<T> x = Data<T>::between(-6, 6, count), dy = Data<T>::between(-1, 1, count);
    x[0] = T(0.25);  // gradients are compared beside one of a unit that is not saturated
    dy[0] = 1;
    Data<T> y(count), y_expected(count), dx(count), dx_expected(count);
    activation_forward<T>(spec, x.vector(), y.vector());
    activation_forward_ref(spec, count, x.get(), y_expected.get());
    expect_close(y, y_expected, 8, "activation_forward");
    const TensorView<const T> kept = keeps_y ? y.vector() : x.vector();
    activation_backward<T>(spec, dy.vector(), kept, dx.vector());
    activation_backward_ref(spec, count, dy.get(), x.get(), dx_expected.get());
    expect_close(dx, dx_expected, 8, "activation_backward");
  }
}

template <class T>
void test_activations() {
  test_activation<T>({Activation::sigmoid, 0, 0}, true);
  test_activation<T>({Activation::tanh, 0, 0}, true);
  test_activation<T>({Activation::leaky_relu, 0.25, 0}, false);
  test_activation<T>({Activation::elu, 1.5, 0.75}, false);
  test_activation<T>({Activation::gelu, 0, 0}, false);
  test_activation<T>({Activation::gelu_tanh, 0, 0}, false);
  test_activation<T>({Activation::silu, 0, 0}, false);
  test_activation<T>({Activation::softplus, 2, 3}, false);
}

template <class T>
void test_prelu() {
  for (int64_t channels : tail_sizes(300)) {
    const int64_t n = 2, h = 9, w = 11, rows = n * h * w;
    const Data<T> x = Data<T>::integers(rows * channels), dy = Data<T>::integers(rows * channels);
    const Data<T> slope = Data<T>::integers(channels);
    Data<T> y(x.count()), y_expected(x.count()), dx(x.count()), dx_expected(x.count());
    Data<T> dslope(channels), dslope_expected(channels);
    prelu_forward_ref(rows, channels, x.get(), slope.get(), y_expected.get());
    prelu_backward_ref(rows, channels, dy.get(), x.get(), slope.get(), dx_expected.get(),
                       dslope_expected.get());
    prelu_channels_forward<T>(x.image(n, channels, h, w), slope.get(), y.image(n, channels, h, w));
    prelu_channels_backward<T>(dy.image(n, channels, h, w), x.image(n, channels, h, w), slope.get(),
                               dx.image(n, channels, h, w), dslope.get());
    expect_equal(y, y_expected, "prelu_channels_forward");
    expect_equal(dx, dx_expected, "prelu_channels_backward dx");
    expect_equal(dslope, dslope_expected, "prelu_channels_backward dslope");
  }
  for (int64_t count : tail_sizes(50'000)) {
    const Data<T> x = Data<T>::integers(count), dy = Data<T>::integers(count);
    const T slope = T(0.25);
    Data<T> y(count), y_expected(count), dx(count), dx_expected(count), dslope(1), dslope_expected(1);
    prelu_forward_ref(count, 1, x.get(), &slope, y_expected.get());
    prelu_backward_ref(count, 1, dy.get(), x.get(), &slope, dx_expected.get(), dslope_expected.get());
    prelu_forward<T>(x.vector(), slope, y.vector());
    prelu_backward<T>(dy.vector(), x.vector(), slope, dx.vector(), dslope.get());
    expect_equal(y, y_expected, "prelu_forward");
    expect_equal(dx, dx_expected, "prelu_backward dx");
    expect_equal(dslope, dslope_expected, "prelu_backward dslope");
  }
}

template <class T>
void test_maxout() {
  for (int64_t channels : tail_sizes(300)) {
    const int64_t n = 2, pieces = 3, h = 5, w = 3, rows = n * h * w;
    const Data<T> x = Data<T>::integers(rows * pieces * channels), dy = Data<T>::integers(rows * channels);
    Data<T> y(dy.count()), y_expected(dy.count()), dx(x.count()), dx_expected(x.count());
    maxout_forward_ref(rows, pieces, channels, x.get(), y_expected.get());
    maxout_backward_ref(rows, pieces, channels, dy.get(), x.get(), dx_expected.get());
    const auto x_view = x.image(n, pieces * channels, h, w);
    maxout_forward<T>(x_view, y.image(n, channels, h, w));
    maxout_backward<T>(dy.image(n, channels, h, w), x_view, dx.image(n, pieces * channels, h, w));
    expect_equal(y, y_expected, "maxout_forward");
    expect_equal(dx, dx_expected, "maxout_backward");
  }
}

template <class T>
void test_softmax() {
  for (int64_t cols : tail_sizes(1000)) {
    const int64_t rows = 40;
    const Data<T> x = Data<T>::between(-10, 10, rows * cols);
    Data<T> y(rows * cols), expected(rows * cols);
    softmax<T>(x.matrix(rows, cols), y.matrix(rows, cols));
    softmax_ref<T>(x.matrix(rows, cols), expected.matrix(rows, cols));
    expect_close(y, expected, 64, "softmax");
  }
}

template <class T>
void test_softmax_cross_entropy() {
  for (int64_t cols : tail_sizes(1000)) {
    const int64_t rows = 40;
    const Data<T> scores = Data<T>::between(-10, 10, rows * cols), weights = Data<T>::between(0.5, 2, rows);
    std::vector<int64_t> labels(static_cast<size_t>(rows));
    for (int64_t& label : labels) label = static_cast<int64_t>(uniform(0, double(cols)));
    const LossTargets<T> targets{labels.data(), weights.get()};
    Data<T> probs(rows * cols), dscores(rows * cols), expected(rows * cols);
    const double value =
        softmax_cross_entropy_forward<T>(scores.matrix(rows, cols), targets, probs.matrix(rows, cols));
    const double truth = softmax_cross_entropy_forward_ref<T>(scores.matrix(rows, cols), targets);
    expect(std::fabs(value - truth) <= 64 * double(std::numeric_limits<T>::epsilon()) * std::fmax(truth, 1),
           "softmax_cross_entropy_forward", value, truth);
    const auto probs_view = static_cast<const Data<T>&>(probs).matrix(rows, cols);
    softmax_cross_entropy_backward<T>(3, probs_view, targets, dscores.matrix(rows, cols));
    softmax_cross_entropy_backward_ref<T>(3, probs_view, targets, expected.matrix(rows, cols));
    expect_close(dscores, expected, 8, "softmax_cross_entropy_backward");
  }
}

template <class T>
void test_sgd_update() {
  for (int64_t count : tail_sizes(50'000)) {
    for (const SgdOptions& options : {SgdOptions{0.5, 0, 0.25, false}, SgdOptions{0.5, 0.5, 0.25, false},
                                      SgdOptions{0.5, 0.5, 0, true}}) {
      Data<T> param = Data<T>::integers(count), velocity = Data<T>::integers(count);
      const Data<T> grad = Data<T>::integers(count);
      Data<T> param_expected = param, velocity_expected = velocity;
      const bool momentum = options.momentum != 0;
      sgd_update<T>(count, param.get(), grad.get(), momentum ? velocity.get() : nullptr, options);
      sgd_update_ref<T>(count, param_expected.get(), grad.get(), momentum ? velocity_expected.get() : nullptr,
                        options);
      expect_equal(param, param_expected, "sgd_update param");
      expect_equal(velocity, velocity_expected, "sgd_update velocity");
    }
  }
}

template <class T>
void test_adam_update() {
  for (int64_t count : tail_sizes(50'000)) {
    for (bool decoupled : {false, true}) {
      AdamOptions options{3, 0.1};
      options.weight_decay = 0.1;
      options.decoupled = decoupled;
      Data<T> param = Data<T>::between(-2, 2, count), m = Data<T>::between(-1, 1, count);
      Data<T> v = Data<T>::between(0.5, 2, count);
      const Data<T> grad = Data<T>::between(-2, 2, count);
      Data<T> param_expected = param, m_expected = m, v_expected = v;
      adam_update<T>(count, param.get(), grad.get(), m.get(), v.get(), options);
      adam_update_ref<T>(count, param_expected.get(), grad.get(), m_expected.get(), v_expected.get(),
                         options);
      expect_close(param, param_expected, 8, "adam_update param");
      expect_close(m, m_expected, 8, "adam_update m");
      expect_close(v, v_expected, 8, "adam_update v");
    }
  }
}

template <class T>
void test_all() {
  test_gemm<T>();
  test_linear<T>();
  test_conv2d<T>();
  test_conv_transpose2d<T>();
  test_pool<T>();
  test_remap2d<T>();
  test_batchnorm<T>();
  test_groupnorm<T>();
  test_layernorm<T>();
  test_relu<T>();
  test_activations<T>();
  test_prelu<T>();
  test_maxout<T>();
  test_softmax<T>();
  test_softmax_cross_entropy<T>();
  test_sgd_update<T>();
  test_adam_update<T>();
  test_gemm_dots<T>();
  test_gemm_normalised<T>();
}

}  // namespace

void test_ops() {
  test_all<float>();
  test_all<double>();
}

}  // namespace fastnn::selftest
