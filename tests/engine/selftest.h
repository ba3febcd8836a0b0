// The self-test's tools: random data between guards, and comparisons that count failures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "fastnn/base/tensor_view.h"

namespace fastnn::selftest {

// Counts a failure and prints what was compared, in which test.
void expect(bool ok, const char* what, double actual = 0, double expected = 0);

// The same numbers on every run and machine.
inline std::mt19937_64& generator() {
  static std::mt19937_64 engine(20240229);
  return engine;
}

// From the engine's bits alone: the library's distributions differ between implementations.
inline double uniform(double low, double high) {
  return low + (high - low) * std::ldexp(static_cast<double>(generator()() >> 11), -53);
}

// An array between two guards; the self-test fails if a kernel writes into them.
template <class T>
class Data {
 public:
  explicit Data(int64_t count) : count_(count), all_(static_cast<size_t>(count + 2 * kGuard), kGuardValue) {}

  // Integers from -3 to 3: sums of their products are exact.
  static Data integers(int64_t count) {
    Data data(count);
    for (int64_t i = 0; i < count; ++i) data[i] = T(std::floor(uniform(-3, 4)));
    return data;
  }
  static Data between(double low, double high, int64_t count) {
    Data data(count);
    for (int64_t i = 0; i < count; ++i) data[i] = T(uniform(low, high));
    return data;
  }

  int64_t count() const { return count_; }
  T* get() { return all_.data() + kGuard; }
  const T* get() const { return all_.data() + kGuard; }
  T& operator[](int64_t i) { return get()[i]; }
  const T& operator[](int64_t i) const { return get()[i]; }

  MatrixView<T> matrix(int64_t rows, int64_t cols) { return row_major(get(), rows, cols); }
  MatrixView<const T> matrix(int64_t rows, int64_t cols) const { return row_major(get(), rows, cols); }
  // Images (n, c, h, w) in N,H,W,C memory, and arrays in C order.
  TensorView<T> image(int64_t n, int64_t c, int64_t h, int64_t w) {
    return {get(), 4, {n, c, h, w}, {h * w * c, 1, w * c, c}};
  }
  TensorView<const T> image(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return const_cast<Data*>(this)->image(n, c, h, w);
  }
  TensorView<T> tensor(int64_t n, int64_t c, int64_t h, int64_t w) {
    return {get(), 4, {n, c, h, w}, {c * h * w, h * w, w, 1}};
  }
  TensorView<const T> tensor(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return const_cast<Data*>(this)->tensor(n, c, h, w);
  }
  TensorView<T> vector() { return {get(), 1, {count_}, {1}}; }
  TensorView<const T> vector() const { return {get(), 1, {count_}, {1}}; }

  bool guards_intact() const {
    for (int64_t i = 0; i < kGuard; ++i) {
      if (all_[static_cast<size_t>(i)] != kGuardValue) return false;
      if (all_[static_cast<size_t>(kGuard + count_ + i)] != kGuardValue) return false;
    }
    return true;
  }

 private:
  static constexpr int64_t kGuard = 32;  // more than a register
  static constexpr T kGuardValue = T(-12345);
  int64_t count_;
  std::vector<T> all_;
};

// The greatest difference, relative to the greatest magnitude, is at most `epsilons`; 0 asks for equal bits.
template <class T>
void expect_close(const Data<T>& actual, const Data<T>& expected, double epsilons, const char* what) {
  double scale = std::numeric_limits<T>::min();
  for (int64_t i = 0; i < expected.count(); ++i) scale = std::max(scale, std::fabs(double(expected[i])));
  const double allowed = epsilons * double(std::numeric_limits<T>::epsilon()) * scale;
  for (int64_t i = 0; i < expected.count(); ++i) {
    const double a = double(actual[i]), e = double(expected[i]);
    if (!(std::fabs(a - e) <= allowed)) return expect(false, what, a, e);
  }
  expect(actual.guards_intact(), "memory beside the result was written");
  expect(true, what);
}

// Sums whose terms may cancel: each differs by at most `epsilons` of the sum of its terms' magnitudes.
template <class T>
void expect_close_sums(const Data<T>& actual, const Data<T>& expected, const Data<double>& magnitudes,
                       double epsilons, const char* what) {
  for (int64_t i = 0; i < expected.count(); ++i) {
    const double a = double(actual[i]), e = double(expected[i]);
    const double allowed = epsilons * double(std::numeric_limits<T>::epsilon()) * magnitudes[i];
    if (!(std::fabs(a - e) <= allowed)) return expect(false, what, a, e);
  }
  expect(actual.guards_intact(), "memory beside the result was written");
  expect(true, what);
}

template <class T>
void expect_equal(const Data<T>& actual, const Data<T>& expected, const char* what) {
  expect_close(actual, expected, 0, what);
}

// Sizes that break tails: 1 to twice the widest register, one more, and one that needs several chunks.
inline std::vector<int64_t> tail_sizes(int64_t large) {
  std::vector<int64_t> sizes;
  for (int64_t n = 1; n <= 33; ++n) sizes.push_back(n);
  sizes.push_back(large);
  return sizes;
}

// The suites: what is called for each instruction set, and what is called once.
void test_ops();
void test_windows();
void test_losses();
void test_updates();
void test_random();
void test_vector_math();
void test_runtime();

}  // namespace fastnn::selftest
