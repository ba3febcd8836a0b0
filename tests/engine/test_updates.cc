// The updates that scale each element by its history, against plain loops.
#include "fastnn/ops/adaptive_update/adaptive_update_ref.h"
#include "selftest.h"

namespace fastnn::selftest {
namespace {

// Parameters, gradients and up to three states, twice over: for the kernel and for the plain loop.
template <class T>
struct Histories {
  Data<T> grad, param, square, second, third;
  Data<T> param_expected = param, square_expected = square, second_expected = second, third_expected = third;

  explicit Histories(int64_t count)
      : grad(Data<T>::between(-2, 2, count)),
        param(Data<T>::between(-2, 2, count)),
        square(Data<T>::between(0.5, 2, count)),
        second(Data<T>::between(0.1, 0.5, count)),
        third(Data<T>::between(-1, 1, count)) {}

  void expect_same(const char* what) const {
    expect_close(param, param_expected, 16, what);
    expect_close(square, square_expected, 16, what);
    expect_close(second, second_expected, 16, what);
    expect_close(third, third_expected, 16, what);
  }
};

template <class T>
void test_adaptive_update() {
  for (int64_t count : tail_sizes(50'000)) {
    {
      Histories<T> h(count);
      const AdagradOptions options{0.1, 1e-3, 0.2};
      adagrad_update<T>(count, h.param.get(), h.grad.get(), h.square.get(), options);
      adagrad_update_ref<T>(count, h.param_expected.get(), h.grad.get(), h.square_expected.get(), options);
      h.expect_same("adagrad_update");
    }
    for (bool centered : {false, true}) {
      for (bool moving : {false, true}) {
        Histories<T> h(count);
        const RmspropOptions options{0.1, 0.75, 1e-3, 0.2, 0.9};
        rmsprop_update<T>(count, h.param.get(), h.grad.get(), h.square.get(),
                          centered ? h.second.get() : nullptr, moving ? h.third.get() : nullptr, options);
        rmsprop_update_ref<T>(count, h.param_expected.get(), h.grad.get(), h.square_expected.get(),
                              centered ? h.second_expected.get() : nullptr,
                              moving ? h.third_expected.get() : nullptr, options);
        h.expect_same("rmsprop_update");
      }
    }
    {
      Histories<T> h(count);
      const AdadeltaOptions options{0.5, 0.75, 1e-3, 0.2};
      adadelta_update<T>(count, h.param.get(), h.grad.get(), h.square.get(), h.second.get(), options);
      adadelta_update_ref<T>(count, h.param_expected.get(), h.grad.get(), h.square_expected.get(),
                             h.second_expected.get(), options);
      h.expect_same("adadelta_update");
    }
    for (bool decoupled : {false, true}) {
      Histories<T> h(count);
      const NadamOptions options{0.1, 0.02, 0.15, 1.25, 0.9, 0.75, 1e-3, 0.2, decoupled};
      nadam_update<T>(count, h.param.get(), h.grad.get(), h.third.get(), h.square.get(), options);
      nadam_update_ref<T>(count, h.param_expected.get(), h.grad.get(), h.third_expected.get(),
                          h.square_expected.get(), options);
      h.expect_same("nadam_update");
    }
  }
}

}  // namespace

void test_updates() {
  test_adaptive_update<float>();
  test_adaptive_update<double>();
}

}  // namespace fastnn::selftest
