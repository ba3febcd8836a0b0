// Vec<T> on arm64's Advanced SIMD.
#pragma once

#include <arm_neon.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA neon

namespace fastnn::neon {

static FASTNN_INLINE void end_streams() {}

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int lanes = 4;
  static constexpr int registers = 32;
  using Layout = FloatLayout<float>;
  using Mask = uint32x4_t;
  float32x4_t r;

  static FASTNN_INLINE Vec zero() { return {vdupq_n_f32(0)}; }
  static FASTNN_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }
  static FASTNN_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
  static FASTNN_INLINE Vec load(const float* p, int n) {
    float tail[lanes] = {};
    for (int i = 0; i < n; ++i) tail[i] = p[i];
    return {vld1q_f32(tail)};
  }
  static FASTNN_INLINE Vec load(const float* p, int n, float fill) {
    float tail[lanes];
    for (int i = 0; i < lanes; ++i) tail[i] = i < n ? p[i] : fill;
    return {vld1q_f32(tail)};
  }
  FASTNN_INLINE void store(float* p) const { vst1q_f32(p, r); }
  FASTNN_INLINE void stream(float* p) const { store(p); }
  FASTNN_INLINE void store(float* p, int n) const {
    float tail[lanes];
    vst1q_f32(tail, r);
    for (int i = 0; i < n; ++i) p[i] = tail[i];
  }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.r, a.r, b.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.r, a.r, b.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return vcgtq_f32(a.r, b.r); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {vbslq_f32(m, a.r, b.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return select(a > b, a, b); }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return select(b > a, a, b); }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {vsqrtq_f32(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {vabsq_f32(a.r)}; }
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return vceqq_f32(a.r, b.r); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return vbicq_u32(vceqq_f32(b.r, b.r), vcleq_f32(a.r, b.r));
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    return vcgeq_u32(vmovl_u16(vld1_u16(p)), vdupq_n_u32(static_cast<uint32_t>(bound)));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    uint8_t bytes[8] = {};
    memcpy(bytes, p, static_cast<size_t>(n));
    return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(bytes)))))};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    const uint16x4_t half = vmovn_u32(vcvtq_u32_f32(r));
    uint8_t bytes[8];
    vst1_u8(bytes, vmovn_u16(vcombine_u16(half, half)));
    memcpy(p, bytes, static_cast<size_t>(n));
  }
  friend FASTNN_INLINE float sum(Vec a) { return vaddvq_f32(a.r); }
  friend FASTNN_INLINE float highest(Vec a) { return vmaxvq_f32(a.r); }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const uint32x4_t field = vreinterpretq_u32_f32((n + set(Layout::to_field)).r);
    return {vreinterpretq_f32_u32(vshlq_n_u32(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) {
    const uint32x4_t field = vshrq_n_u32(vreinterpretq_u32_f32(a.r), Layout::fraction_bits);
    return Vec{vreinterpretq_f32_u32(vorrq_u32(field, vdupq_n_u32(Layout::field_base)))} -
           set(Layout::from_field);
  }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    const uint32x4_t fraction = vandq_u32(vreinterpretq_u32_f32(a.r), vdupq_n_u32(Layout::fraction_mask));
    return {vreinterpretq_f32_u32(vorrq_u32(fraction, vdupq_n_u32(Layout::one)))};
  }
  static FASTNN_INLINE Vec sums(const Vec (&a)[4]) {
    return {vpaddq_f32(vpaddq_f32(a[0].r, a[1].r), vpaddq_f32(a[2].r, a[3].r))};
  }
  static FASTNN_INLINE void transpose(Vec (&rows)[4]) {
    const float32x4x2_t a = vtrnq_f32(rows[0].r, rows[1].r), b = vtrnq_f32(rows[2].r, rows[3].r);
    rows[0].r = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    rows[1].r = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    rows[2].r = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    rows[3].r = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 2;
  static constexpr int registers = 32;
  using Layout = FloatLayout<double>;
  using Mask = uint64x2_t;
  float64x2_t r;

  static FASTNN_INLINE Vec zero() { return {vdupq_n_f64(0)}; }
  static FASTNN_INLINE Vec set(double x) { return {vdupq_n_f64(x)}; }
  static FASTNN_INLINE Vec load(const double* p) { return {vld1q_f64(p)}; }
  static FASTNN_INLINE Vec load(const double* p, int n) {
    double tail[lanes] = {};
    for (int i = 0; i < n; ++i) tail[i] = p[i];
    return {vld1q_f64(tail)};
  }
  static FASTNN_INLINE Vec load(const double* p, int n, double fill) {
    double tail[lanes];
    for (int i = 0; i < lanes; ++i) tail[i] = i < n ? p[i] : fill;
    return {vld1q_f64(tail)};
  }
  FASTNN_INLINE void store(double* p) const { vst1q_f64(p, r); }
  FASTNN_INLINE void stream(double* p) const { store(p); }
  FASTNN_INLINE void store(double* p, int n) const {
    double tail[lanes];
    vst1q_f64(tail, r);
    for (int i = 0; i < n; ++i) p[i] = tail[i];
  }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f64(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f64(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f64(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f64(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f64(c.r, a.r, b.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f64(c.r, a.r, b.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return vcgtq_f64(a.r, b.r); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {vbslq_f64(m, a.r, b.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return select(a > b, a, b); }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return select(b > a, a, b); }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {vsqrtq_f64(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {vabsq_f64(a.r)}; }
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return vceqq_f64(a.r, b.r); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return vbicq_u64(vceqq_f64(b.r, b.r), vcleq_f64(a.r, b.r));
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    const uint64_t u[2] = {p[0], p[1]};
    return vcgeq_u64(vld1q_u64(u), vdupq_n_u64(static_cast<uint64_t>(bound)));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    double values[lanes] = {};
    for (int i = 0; i < n; ++i) values[i] = p[i];
    return {vld1q_f64(values)};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    double values[lanes];
    vst1q_f64(values, r);
    for (int i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(values[i]);
  }
  friend FASTNN_INLINE double sum(Vec a) { return vaddvq_f64(a.r); }
  friend FASTNN_INLINE double highest(Vec a) { return vmaxvq_f64(a.r); }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const uint64x2_t field = vreinterpretq_u64_f64((n + set(Layout::to_field)).r);
    return {vreinterpretq_f64_u64(vshlq_n_u64(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) {
    const uint64x2_t field = vshrq_n_u64(vreinterpretq_u64_f64(a.r), Layout::fraction_bits);
    return Vec{vreinterpretq_f64_u64(vorrq_u64(field, vdupq_n_u64(Layout::field_base)))} -
           set(Layout::from_field);
  }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    const uint64x2_t fraction = vandq_u64(vreinterpretq_u64_f64(a.r), vdupq_n_u64(Layout::fraction_mask));
    return {vreinterpretq_f64_u64(vorrq_u64(fraction, vdupq_n_u64(Layout::one)))};
  }
  static FASTNN_INLINE Vec sums(const Vec (&a)[2]) { return {vpaddq_f64(a[0].r, a[1].r)}; }
  static FASTNN_INLINE void transpose(Vec (&rows)[2]) {
    const float64x2_t a = vzip1q_f64(rows[0].r, rows[1].r), b = vzip2q_f64(rows[0].r, rows[1].r);
    rows[0].r = a;
    rows[1].r = b;
  }
};

template <class T>
using HalfVec = Vec<T>;

struct Words {
  static constexpr int lanes = 2;
  uint64x2_t r;

  static FASTNN_INLINE Words set(uint64_t x) { return {vdupq_n_u64(x)}; }
  static FASTNN_INLINE Words count(uint64_t first) {
    const uint64_t values[lanes] = {first, first + 1};
    return {vld1q_u64(values)};
  }
  friend FASTNN_INLINE Words operator^(Words a, Words b) { return {veorq_u64(a.r, b.r)}; }
  friend FASTNN_INLINE Words operator*(Words a, Words b) {
    return {vmull_u32(vmovn_u64(a.r), vmovn_u64(b.r))};
  }
  friend FASTNN_INLINE Words high(Words a) { return {vshrq_n_u64(a.r, 32)}; }
  static FASTNN_INLINE void store(Words a, Words b, Words c, Words d, uint16_t* p) {
    const uint64x2_t ab = vsliq_n_u64(a.r, b.r, 32), cd = vsliq_n_u64(c.r, d.r, 32);
    vst1q_u16(p, vreinterpretq_u16_u64(vzip1q_u64(ab, cd)));
    vst1q_u16(p + 8, vreinterpretq_u16_u64(vzip2q_u64(ab, cd)));
  }
};

}  // namespace fastnn::neon
