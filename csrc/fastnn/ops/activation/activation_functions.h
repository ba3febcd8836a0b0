// The rows of the list in activation_kernel.h: each a function of a register and its derivative. See
// activation.h.
#pragma once

#include "fastnn/ops/activation/activation_kernel.h"
#include "fastnn/simd/math.h"

namespace fastnn::FASTNN_ISA {

// What most rows need of their constants: nothing.
template <class T>
struct ActivationRow {
  using V = Vec<T>;
  const V one = V::set(T(1)), zero = V::zero();

  FASTNN_INLINE explicit ActivationRow(const ActivationSpec&) {}
};

template <class T>
struct Sigmoid : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  using ActivationRow<T>::ActivationRow;

  FASTNN_INLINE V forward(V x) const { return sigmoid(x); }
  FASTNN_INLINE V backward(V dy, V y) const { return dy * (y * (this->one - y)); }
};

template <class T>
struct Tanh : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  using ActivationRow<T>::ActivationRow;

  FASTNN_INLINE V forward(V x) const { return tanh(x); }
  // (1 - y)(1 + y) keeps more of a saturated unit's slope than 1 - y^2.
  FASTNN_INLINE V backward(V dy, V y) const { return dy * ((this->one - y) * (this->one + y)); }
};

template <class T>
struct LeakyRelu : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  const V slope;

  FASTNN_INLINE explicit LeakyRelu(const ActivationSpec& spec)
      : ActivationRow<T>(spec), slope(V::set(T(spec.a))) {}
  FASTNN_INLINE V forward(V x) const { return select(x > this->zero, x, slope * x); }
  FASTNN_INLINE V backward(V dy, V x) const { return select(x > this->zero, dy, slope * dy); }
};

template <class T>
struct Elu : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  const V alpha, scale;

  FASTNN_INLINE explicit Elu(const ActivationSpec& spec)
      : ActivationRow<T>(spec), alpha(V::set(T(spec.a * spec.b))), scale(V::set(T(spec.b))) {}
  FASTNN_INLINE V forward(V x) const { return select(x > this->zero, scale * x, alpha * expm1(x)); }
  FASTNN_INLINE V backward(V dy, V x) const { return dy * select(x > this->zero, scale, alpha * exp(x)); }
};

// Not x (1 + erf(x / sqrt(2))) / 2, which loses all digits of large negative x.
template <class T>
struct Gelu : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  using ActivationRow<T>::ActivationRow;

  FASTNN_INLINE V forward(V x) const { return gelu(x); }
  // Phi(x) + x phi(x); where x is so large that the density is 0, x is cut so that infinity * 0 is 0.
  FASTNN_INLINE V backward(V dy, V x) const {
    const ExpParts<T> bell = gauss(x);
    const V density = bell.times(V::set(T(0.3989422804014327)));  // 1 / sqrt(2 pi)
    return dy * fma(clamp<T>(x, -50, 50), density, normal_cdf(x, bell));
  }
};

template <class T>
struct GeluTanh : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  using ActivationRow<T>::ActivationRow;
  const V slope = V::set(T(1.5957691216057308)), cubic = V::set(T(0.044715));  // 2 sqrt(2 / pi)

  FASTNN_INLINE V forward(V x) const { return gelu_tanh(x); }
  // Beyond +-50 the sigmoid is 0 or 1; cutting x there keeps its cube finite.
  FASTNN_INLINE V backward(V dy, V x) const {
    const V c = clamp<T>(x, -50, 50);
    const Sigmoids<T> s(slope * fma(cubic * c * c, c, c));
    const V du = slope * fma(V::set(T(3 * 0.044715)) * c, c, this->one);
    return dy * fma(c * du, s.value * s.complement, s.value);
  }
};

template <class T>
struct Silu : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  using ActivationRow<T>::ActivationRow;

  FASTNN_INLINE V forward(V x) const { return x * sigmoid(x); }
  FASTNN_INLINE V backward(V dy, V x) const {
    const Sigmoids<T> s(x);
    return dy * fma(x * s.value, s.complement, s.value);
  }
};

template <class T>
struct Softplus : ActivationRow<T> {
  using typename ActivationRow<T>::V;
  const V beta, inverse, threshold;

  FASTNN_INLINE explicit Softplus(const ActivationSpec& spec)
      : ActivationRow<T>(spec),
        beta(V::set(T(spec.a))),
        inverse(V::set(T(1 / spec.a))),
        threshold(V::set(T(spec.b))) {}
  // log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)
  FASTNN_INLINE V forward(V x) const {
    const V z = beta * x;
    const V soft = max(this->zero, z) + log1p(exp(this->zero - abs(z)));
    return select(z > threshold, x, soft * inverse);
  }
  FASTNN_INLINE V backward(V dy, V x) const {
    const V z = beta * x;
    return dy * select(z > threshold, this->one, sigmoid(z));
  }
};

}  // namespace fastnn::FASTNN_ISA
