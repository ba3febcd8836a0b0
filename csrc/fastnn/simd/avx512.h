// Vec<T> on AVX-512 F, BW, DQ and VL.
#pragma once

#include <immintrin.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA avx512

namespace fastnn::avx512 {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int lanes = 16;
  static constexpr int registers = 32;
  using Mask = __mmask16;
  __m512 r;

  static FASTNN_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static FASTNN_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static FASTNN_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static FASTNN_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static FASTNN_INLINE Vec load(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  FASTNN_INLINE void store(float* p) const { _mm512_storeu_ps(p, r); }
  FASTNN_INLINE void store(float* p, int n) const { _mm512_mask_storeu_ps(p, first(n), r); }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {_mm512_abs_ps(a.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.r, b.r, _CMP_GT_OQ); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m, b.r, a.r)}; }
  friend FASTNN_INLINE float sum(Vec a) { return _mm512_reduce_add_ps(a.r); }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 8;
  static constexpr int registers = 32;
  using Mask = __mmask8;
  __m512d r;

  static FASTNN_INLINE __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static FASTNN_INLINE Vec zero() { return {_mm512_setzero_pd()}; }
  static FASTNN_INLINE Vec set(double x) { return {_mm512_set1_pd(x)}; }
  static FASTNN_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static FASTNN_INLINE Vec load(const double* p, int n) { return {_mm512_maskz_loadu_pd(first(n), p)}; }
  FASTNN_INLINE void store(double* p) const { _mm512_storeu_pd(p, r); }
  FASTNN_INLINE void store(double* p, int n) const { _mm512_mask_storeu_pd(p, first(n), r); }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_pd(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_pd(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {_mm512_abs_pd(a.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return _mm512_cmp_pd_mask(a.r, b.r, _CMP_GT_OQ); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_pd(m, b.r, a.r)}; }
  friend FASTNN_INLINE double sum(Vec a) { return _mm512_reduce_add_pd(a.r); }
};

}  // namespace fastnn::avx512
