// What draws by key against plain loops: masks bit for bit, noise closely.
#include "fastnn/ops/dropout/dropout_ref.h"
#include "fastnn/ops/gaussian_noise/gaussian_noise_ref.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

constexpr uint64_t kBits = 0x9E3779B97F4A7C15, kExample = (uint64_t{1} << 40) + 3;

template <class T>
void test_dropout() {
  for (int64_t channels : tail_sizes(3000)) {
    const int64_t n = 3, h = 2, w = 3, size = h * w * channels;
    const Data<T> x = Data<T>::integers(n * size);
    const DropoutStream stream{kBits, kExample, 20000};
    Data<T> y(n * size), expected(n * size);
    const auto check = [&](DropoutGroup group, const char* what, auto number) {
      dropout<T>(x.image(n, channels, h, w), stream, T(1.5), group, y.image(n, channels, h, w));
      dropout_ref<T>(n, size, x.get(), stream, T(1.5), expected.get(), number);
      expect_equal(y, expected, what);
    };
    check(DropoutGroup::element, "dropout of elements", [](int64_t e) { return e; });
    check(DropoutGroup::channel, "dropout of channels", [&](int64_t e) { return e % channels; });
    check(DropoutGroup::example, "dropout of examples", [](int64_t) { return 0; });
    // Rows (N, h * w, channels) have channels of another kind: axis 1, runs of neighbours in memory.
    const auto rows = [&](auto* data) {
      return TensorView<std::remove_pointer_t<decltype(data)>>{
          data, 3, {n, h * w, channels}, {size, channels, 1}};
    };
    dropout<T>(rows(x.get()), stream, T(1.5), DropoutGroup::channel, rows(y.get()));
    dropout_ref<T>(n, size, x.get(), stream, T(1.5), expected.get(), [&](int64_t e) { return e / channels; });
    expect_equal(y, expected, "dropout of rows");
  }
}

template <class T>
void test_gaussian_noise() {
  for (int64_t size : tail_sizes(30'000)) {
    const int64_t n = 2;
    const Data<T> x = Data<T>::between(-1, 1, n * size);
    const NoiseStream stream{kBits, kExample};
    Data<T> y(n * size), expected(n * size);
    const auto table = [&](auto* data) {
      return TensorView<std::remove_pointer_t<decltype(data)>>{data, 2, {n, size}, {size, 1}};
    };
    gaussian_noise<T>(table(x.get()), stream, T(0.5), table(y.get()));
    gaussian_noise_ref<T>(n, size, x.get(), stream, T(0.5), expected.get());
    expect_close(y, expected, 8, "gaussian_noise");
  }
}

}  // namespace

void test_random() {
  test_dropout<float>();
  test_dropout<double>();
  test_gaussian_noise<float>();
  test_gaussian_noise<double>();
}

}  // namespace fastnn::selftest
