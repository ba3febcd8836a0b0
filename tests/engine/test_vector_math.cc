// The functions of simd/math.h over their whole range, in ulp: what the header promises.
#include <cstring>

#include "selftest.h"
#include "vector_math.h"

namespace fastnn::selftest {
namespace {

template <class T>
struct Precision;
template <>
struct Precision<float> {
  using Truth = double;
  using Bits = uint32_t;
  static constexpr double exp_log_ulp = 2, normal_cdf_ulp = 4;
};
template <>
struct Precision<double> {
  using Truth = long double;
  using Bits = uint64_t;
  static constexpr double exp_log_ulp = 4, normal_cdf_ulp = 10;
};

// |actual - truth| in units of the last place of the truth as a T; 0 where both are the same special value.
template <class T>
double error_in_ulp(T actual, typename Precision<T>::Truth truth) {
  const T rounded = static_cast<T>(truth);
  if (std::isnan(rounded) || std::isnan(actual))
    return std::isnan(rounded) && std::isnan(actual) ? 0 : INFINITY;
  if (std::isinf(rounded) || std::isinf(actual)) return rounded == actual ? 0 : INFINITY;
  const T magnitude = std::fmax(std::fabs(rounded), std::numeric_limits<T>::min());
  const T ulp = std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
  return static_cast<double>(std::fabs(actual - truth) / ulp);
}

template <class T>
T from_bits(uint64_t bits) {
  const auto narrow = static_cast<typename Precision<T>::Bits>(bits);
  T value;
  std::memcpy(&value, &narrow, sizeof value);
  return value;
}

// Every exponent and sign, all specials, and dense draws where the result is finite and not trivial.
template <class T>
Data<T> arguments() {
  constexpr int64_t kDraws = 200'000;
  const T specials[] = {T(0),
                        -T(0),
                        T(1),
                        T(INFINITY),
                        -T(INFINITY),
                        T(NAN),
                        std::numeric_limits<T>::min(),
                        std::numeric_limits<T>::denorm_min(),
                        std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::lowest()};
  const double range = std::log(double(std::numeric_limits<T>::max())) + 60;  // past the subnormal results
  Data<T> x = Data<T>::between(-range, range, kDraws);
  for (int64_t i = 0; i < kDraws; i += 2) x[i] = from_bits<T>(generator()());
  for (int64_t i = 1; i < kDraws; i += 8) x[i] = T(uniform(0.5, 2));
  for (size_t i = 0; i < std::size(specials); ++i) x[static_cast<int64_t>(i)] = specials[i];
  return x;
}

template <class T>
using Wide = typename Precision<T>::Truth;

template <class T>
void test_function(void (*function)(const T*, T*, int64_t), Wide<T> (*truth)(Wide<T>), double allowed,
                   const char* name, const Data<T>& x = arguments<T>()) {
  Data<T> y(x.count());
  function(x.get(), y.get(), x.count());
  double worst = 0, worst_at = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    const double error = error_in_ulp<T>(y[i], truth(x[i]));
    if (error > worst) {
      worst = error;
      worst_at = double(x[i]);
    }
  }
  expect(worst <= allowed, name, worst, worst_at);
  expect(y.guards_intact(), "memory beside the result was written");
}

// Arguments cut to where a function is defined; NaN stays.
template <class T>
Data<T> arguments_within(double low, double high) {
  Data<T> x = arguments<T>();
  for (int64_t i = 0; i < x.count(); ++i) {
    if (x[i] < low) x[i] = T(low);
    if (x[i] > high) x[i] = T(uniform(std::max(low, -4.0), high));
  }
  return x;
}

template <class W>
W sigmoid_truth(W x) {
  return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
template <class W>
W normal_cdf_truth(W x) {
  return std::erfc(-x * W(0.707106781186547524400844362104849039L)) / 2;
}
template <class W>
W gelu_truth(W x) {
  return std::isinf(x) ? std::fmax(x, W(0)) : x * normal_cdf_truth(x);
}
template <class W>
W gelu_tanh_truth(W x) {
  if (std::isinf(x)) return std::fmax(x, W(0));
  const W slope = 2 * std::sqrt(2 / W(3.141592653589793238462643383279502884L));
  return x / (1 + std::exp(-slope * (x + W(0.044715L) * x * x * x)));
}

template <class T>
void test_functions() {
  constexpr double kExpLog = Precision<T>::exp_log_ulp, kOthers = 4;
  test_function<T>(FASTNN_DISPATCH(exp_of<T>), &std::exp, kExpLog, "exp: ulp, at");
  test_function<T>(FASTNN_DISPATCH(log_of<T>), &std::log, kExpLog, "log: ulp, at");
  test_function<T>(FASTNN_DISPATCH(expm1_of<T>), &std::expm1, kOthers, "expm1: ulp, at",
                   arguments_within<T>(-INFINITY, 40));
  test_function<T>(FASTNN_DISPATCH(log1p_of<T>), &std::log1p, kOthers, "log1p: ulp, at",
                   arguments_within<T>(0, 1));
  test_function<T>(FASTNN_DISPATCH(tanh_of<T>), &std::tanh, kOthers, "tanh: ulp, at");
  test_function<T>(FASTNN_DISPATCH(sigmoid_of<T>), &sigmoid_truth<Wide<T>>, kOthers, "sigmoid: ulp, at");
  test_function<T>(FASTNN_DISPATCH(normal_cdf_of<T>), &normal_cdf_truth<Wide<T>>,
                   Precision<T>::normal_cdf_ulp, "normal_cdf: ulp, at");
  test_function<T>(FASTNN_DISPATCH(gelu_of<T>), &gelu_truth<Wide<T>>, Precision<T>::normal_cdf_ulp,
                   "gelu: ulp, at");
  test_function<T>(FASTNN_DISPATCH(gelu_tanh_of<T>), &gelu_tanh_truth<Wide<T>>, kOthers,
                   "gelu_tanh: ulp, at");
}

}  // namespace

void test_vector_math() {
  test_functions<float>();
  test_functions<double>();
}

}  // namespace fastnn::selftest
