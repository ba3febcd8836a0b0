// exp and log on vectors, over the whole range: at most 2 ulp in float, 4 ulp in double.
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
  static constexpr double allowed_ulp = 2;
};
template <>
struct Precision<double> {
  using Truth = long double;
  using Bits = uint64_t;
  static constexpr double allowed_ulp = 4;
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
void test_function(void (*function)(const T*, T*, int64_t),
                   typename Precision<T>::Truth (*truth)(typename Precision<T>::Truth), const char* name) {
  const Data<T> x = arguments<T>();
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
  expect(worst <= Precision<T>::allowed_ulp, name, worst, worst_at);
  expect(y.guards_intact(), "memory beside the result was written");
}

}  // namespace

void test_vector_math() {
  test_function<float>(FASTNN_DISPATCH(exp_of<float>), &std::exp, "exp, float: ulp, at");
  test_function<double>(FASTNN_DISPATCH(exp_of<double>), &std::exp, "exp, double: ulp, at");
  test_function<float>(FASTNN_DISPATCH(log_of<float>), &std::log, "log, float: ulp, at");
  test_function<double>(FASTNN_DISPATCH(log_of<double>), &std::log, "log, double: ulp, at");
}

}  // namespace fastnn::selftest
