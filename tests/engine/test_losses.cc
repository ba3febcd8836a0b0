// The losses against plain loops.
#include "fastnn/ops/hinge/hinge_ref.h"
#include "fastnn/ops/pointwise_loss/pointwise_loss_ref.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

template <class T>
void expect_value(double value, double truth, const char* what) {
  const double allowed = 64 * double(std::numeric_limits<T>::epsilon()) * std::fmax(std::fabs(truth), 1);
  expect(std::fabs(value - truth) <= allowed, what, value, truth);
}

template <class T>
void test_hinge() {
  for (int64_t cols : tail_sizes(1000)) {
    const int64_t rows = 40;
    const Data<T> scores = Data<T>::between(-2, 2, rows * cols), weights = Data<T>::between(0.5, 2, rows);
    std::vector<int64_t> labels(static_cast<size_t>(rows));
    for (int64_t& label : labels) label = static_cast<int64_t>(uniform(0, double(cols)));
    for (const T* w : {weights.get(), static_cast<const T*>(nullptr)}) {
      const HingeTargets<T> targets{labels.data(), w, 0.75};
      Data<T> dscores(rows * cols), expected(rows * cols);
      expect_value<T>(hinge_forward<T>(scores.matrix(rows, cols), targets),
                      hinge_forward_ref<T>(scores.matrix(rows, cols), targets), "hinge_forward");
      hinge_backward<T>(3, scores.matrix(rows, cols), targets, dscores.matrix(rows, cols));
      hinge_backward_ref<T>(3, scores.matrix(rows, cols), targets, expected.matrix(rows, cols));
      expect_close(dscores, expected, 8, "hinge_backward");
    }
  }
}

template <class T>
void test_pointwise_loss() {
  for (PointwiseLoss loss :
       {PointwiseLoss::squared, PointwiseLoss::absolute, PointwiseLoss::huber, PointwiseLoss::logistic}) {
    const PointwiseLossOptions options{loss, 0.75};
    for (int64_t size : tail_sizes(5000)) {
      const int64_t examples = 7;
      const Data<T> scores = Data<T>::between(-4, 4, examples * size);
      const Data<T> targets = Data<T>::between(0, 1, examples * size);
      const Data<T> weights = Data<T>::between(0.5, 2, examples);
      const auto table = [&](auto* data) {
        return TensorView<std::remove_pointer_t<decltype(data)>>{data, 2, {examples, size}, {size, 1}};
      };
      const TensorView<const T> s = table(scores.get()), t = table(targets.get());
      for (const T* w : {weights.get(), static_cast<const T*>(nullptr)}) {
        Data<T> dscores(examples * size), expected(examples * size);
        const double truth =
            pointwise_loss_ref<T>(examples, size, scores.get(), targets.get(), w, options, 3, expected.get());
        expect_value<T>(pointwise_loss_forward<T>("pointwise_loss", s, t, w, s.stride, options), truth,
                        "pointwise_loss_forward");
        pointwise_loss_backward<T>("pointwise_loss", 3, s, t, w, table(dscores.get()), options);
        expect_close(dscores, expected, 16, "pointwise_loss_backward");
      }
    }
  }
}

}  // namespace

void test_losses() {
  test_hinge<float>();
  test_hinge<double>();
  test_pointwise_loss<float>();
  test_pointwise_loss<double>();
}

}  // namespace fastnn::selftest
