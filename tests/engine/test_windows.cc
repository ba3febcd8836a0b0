// Patches under windows against plain loops, on integers: equal bits.
#include "fastnn/ops/im2col/im2col.h"
#include "fastnn/ops/im2col/im2col_ref.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

constexpr int64_t kImages = 2, kHeight = 9, kWidth = 7;
const Window2d kWindows[] = {
    {{2, 2, 0, 1}, {2, 2, 0, 1}}, {{3, 2, 1, 1}, {3, 2, 1, 1}}, {{3, 1, 1, 1}, {2, 3, 0, 1}}};

template <class T>
void test_im2col(int64_t channels, Window2d window) {
  window.w.dilation = 2;
  const int64_t places = window.h.outputs(kHeight) * window.w.outputs(kWidth);
  const int64_t taps = channels * window.h.kernel * window.w.kernel;
  const Data<T> x = Data<T>::integers(kImages * channels * kHeight * kWidth);
  const Data<T> dcols = Data<T>::integers(kImages * taps * places);
  Data<T> cols(dcols.count()), cols_expected(dcols.count()), dx(x.count()), dx_expected(x.count());
  const auto table = [&](auto* data) {
    return TensorView<std::remove_pointer_t<decltype(data)>>{
        data, 3, {kImages, taps, places}, {taps * places, places, 1}};
  };
  im2col<T>(x.tensor(kImages, channels, kHeight, kWidth), window, table(cols.get()));
  im2col_ref<T>(kImages * channels, kHeight, kWidth, x.get(), window, cols_expected.get());
  expect_equal(cols, cols_expected, "im2col");
  col2im<T>(table(dcols.get()), window, dx.tensor(kImages, channels, kHeight, kWidth));
  col2im_ref<T>(kImages * channels, kHeight, kWidth, dcols.get(), window, dx_expected.get());
  expect_equal(dx, dx_expected, "col2im");
}

template <class T>
void test_all_windows() {
  for (const Window2d& window : kWindows) {
    test_im2col<T>(3, window);
  }
}

}  // namespace

void test_windows() {
  test_all_windows<float>();
  test_all_windows<double>();
}

}  // namespace fastnn::selftest
