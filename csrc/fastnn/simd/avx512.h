// Vec<T> on AVX-512 F, BW, DQ and VL.
#pragma once

#include <immintrin.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA avx512

namespace fastnn::avx512 {

static FASTNN_INLINE void end_streams() { _mm_sfence(); }

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int lanes = 16;
  static constexpr int registers = 32;
  using Layout = FloatLayout<float>;
  using Mask = __mmask16;
  __m512 r;

  static FASTNN_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static FASTNN_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static FASTNN_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static FASTNN_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static FASTNN_INLINE Vec load(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  static FASTNN_INLINE Vec load(const float* p, int n, float fill) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
  }
  FASTNN_INLINE void store(float* p) const { _mm512_storeu_ps(p, r); }
  FASTNN_INLINE void stream(float* p) const { _mm512_stream_ps(p, r); }
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
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.r, b.r, _CMP_EQ_OQ); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(a.r, b.r, _CMP_NLE_UQ), b.r, b.r, _CMP_ORD_Q);
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    const __m256i u = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_cmpge_epi32_mask(_mm512_cvtepu16_epi32(u), _mm512_set1_epi32(bound));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)))};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(r)));
  }
  friend FASTNN_INLINE float sum(Vec a) { return _mm512_reduce_add_ps(a.r); }
  friend FASTNN_INLINE float highest(Vec a) { return _mm512_reduce_max_ps(a.r); }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const __m512i field = _mm512_castps_si512((n + set(Layout::to_field)).r);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) { return {_mm512_getexp_ps(a.r)}; }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    return {_mm512_getmant_ps(a.r, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)};
  }
  // Half of a transpose's exchanges, as what meets in a lane is added at once.
  static FASTNN_INLINE Vec sums(const Vec (&a)[16]) {
    __m512 q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec* r = a + 4 * i;
      const __m512 x = _mm512_add_ps(_mm512_unpacklo_ps(r[0].r, r[1].r), _mm512_unpackhi_ps(r[0].r, r[1].r));
      const __m512 y = _mm512_add_ps(_mm512_unpacklo_ps(r[2].r, r[3].r), _mm512_unpackhi_ps(r[2].r, r[3].r));
      q[i] = _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xEE));
    }
    const __m512 x =
        _mm512_add_ps(_mm512_shuffle_f32x4(q[0], q[1], 0x88), _mm512_shuffle_f32x4(q[0], q[1], 0xDD));
    const __m512 y =
        _mm512_add_ps(_mm512_shuffle_f32x4(q[2], q[3], 0x88), _mm512_shuffle_f32x4(q[2], q[3], 0xDD));
    return {_mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xDD))};
  }
  // First 4x4 blocks within the 128-bit quarters of four rows each, then the quarters as a 4x4 matrix.
  static FASTNN_INLINE void transpose(Vec (&rows)[16]) {
    __m512 q[16];
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      const __m512 a = _mm512_unpacklo_ps(rows[i].r, rows[i + 1].r),
                   b = _mm512_unpackhi_ps(rows[i].r, rows[i + 1].r);
      const __m512 c = _mm512_unpacklo_ps(rows[i + 2].r, rows[i + 3].r);
      const __m512 d = _mm512_unpackhi_ps(rows[i + 2].r, rows[i + 3].r);
      q[i] = _mm512_shuffle_ps(a, c, 0x44);
      q[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
      q[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
      q[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512 a = _mm512_shuffle_f32x4(q[i], q[i + 4], 0x88),
                   b = _mm512_shuffle_f32x4(q[i], q[i + 4], 0xDD);
      const __m512 c = _mm512_shuffle_f32x4(q[i + 8], q[i + 12], 0x88);
      const __m512 d = _mm512_shuffle_f32x4(q[i + 8], q[i + 12], 0xDD);
      rows[i].r = _mm512_shuffle_f32x4(a, c, 0x88);
      rows[i + 4].r = _mm512_shuffle_f32x4(b, d, 0x88);
      rows[i + 8].r = _mm512_shuffle_f32x4(a, c, 0xDD);
      rows[i + 12].r = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 8;
  static constexpr int registers = 32;
  using Layout = FloatLayout<double>;
  using Mask = __mmask8;
  __m512d r;

  static FASTNN_INLINE __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static FASTNN_INLINE Vec zero() { return {_mm512_setzero_pd()}; }
  static FASTNN_INLINE Vec set(double x) { return {_mm512_set1_pd(x)}; }
  static FASTNN_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static FASTNN_INLINE Vec load(const double* p, int n) { return {_mm512_maskz_loadu_pd(first(n), p)}; }
  static FASTNN_INLINE Vec load(const double* p, int n, double fill) {
    return {_mm512_mask_loadu_pd(_mm512_set1_pd(fill), first(n), p)};
  }
  FASTNN_INLINE void store(double* p) const { _mm512_storeu_pd(p, r); }
  FASTNN_INLINE void stream(double* p) const { _mm512_stream_pd(p, r); }
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
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return _mm512_cmp_pd_mask(a.r, b.r, _CMP_EQ_OQ); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(a.r, b.r, _CMP_NLE_UQ), b.r, b.r, _CMP_ORD_Q);
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    const __m128i u = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_cmpge_epi64_mask(_mm512_cvtepu16_epi64(u), _mm512_set1_epi64(bound));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    return {_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)))};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    _mm_mask_storeu_epi8(p, first(n), _mm256_cvtepi32_epi8(_mm512_cvtpd_epi32(r)));
  }
  friend FASTNN_INLINE double sum(Vec a) { return _mm512_reduce_add_pd(a.r); }
  friend FASTNN_INLINE double highest(Vec a) { return _mm512_reduce_max_pd(a.r); }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const __m512i field = _mm512_castpd_si512((n + set(Layout::to_field)).r);
    return {_mm512_castsi512_pd(_mm512_slli_epi64(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) { return {_mm512_getexp_pd(a.r)}; }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    return {_mm512_getmant_pd(a.r, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)};
  }
  static FASTNN_INLINE Vec sums(const Vec (&a)[8]) {
    __m512d q[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512d x = a[2 * i].r, y = a[2 * i + 1].r;
      q[i] = _mm512_add_pd(_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y));
    }
    const __m512d x =
        _mm512_add_pd(_mm512_shuffle_f64x2(q[0], q[1], 0x88), _mm512_shuffle_f64x2(q[0], q[1], 0xDD));
    const __m512d y =
        _mm512_add_pd(_mm512_shuffle_f64x2(q[2], q[3], 0x88), _mm512_shuffle_f64x2(q[2], q[3], 0xDD));
    return {_mm512_add_pd(_mm512_shuffle_f64x2(x, y, 0x88), _mm512_shuffle_f64x2(x, y, 0xDD))};
  }
  // First 2x2 blocks of two rows each, then the 128-bit quarters as a 4x4 matrix.
  static FASTNN_INLINE void transpose(Vec (&rows)[8]) {
    __m512d q[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      q[i] = _mm512_unpacklo_pd(rows[i].r, rows[i + 1].r);
      q[i + 1] = _mm512_unpackhi_pd(rows[i].r, rows[i + 1].r);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const __m512d a = _mm512_shuffle_f64x2(q[i], q[i + 2], 0x88),
                    b = _mm512_shuffle_f64x2(q[i], q[i + 2], 0xDD);
      const __m512d c = _mm512_shuffle_f64x2(q[i + 4], q[i + 6], 0x88);
      const __m512d d = _mm512_shuffle_f64x2(q[i + 4], q[i + 6], 0xDD);
      rows[i].r = _mm512_shuffle_f64x2(a, c, 0x88);
      rows[i + 2].r = _mm512_shuffle_f64x2(b, d, 0x88);
      rows[i + 4].r = _mm512_shuffle_f64x2(a, c, 0xDD);
      rows[i + 6].r = _mm512_shuffle_f64x2(b, d, 0xDD);
    }
  }
};

// Half a register: on cores with one 512-bit multiplier two of its fma take the time of a whole one's.
template <class T>
struct HalfVec;

template <>
struct HalfVec<float> {
  static constexpr int lanes = 8;
  __m256 r;

  static FASTNN_INLINE __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static FASTNN_INLINE HalfVec zero() { return {_mm256_setzero_ps()}; }
  static FASTNN_INLINE HalfVec set(float x) { return {_mm256_set1_ps(x)}; }
  static FASTNN_INLINE HalfVec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static FASTNN_INLINE HalfVec load(const float* p, int n) { return {_mm256_maskz_loadu_ps(first(n), p)}; }
  FASTNN_INLINE void store(float* p) const { _mm256_storeu_ps(p, r); }
  FASTNN_INLINE void store(float* p, int n) const { _mm256_mask_storeu_ps(p, first(n), r); }
  friend FASTNN_INLINE HalfVec operator+(HalfVec a, HalfVec b) { return {_mm256_add_ps(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec operator-(HalfVec a, HalfVec b) { return {_mm256_sub_ps(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec operator*(HalfVec a, HalfVec b) { return {_mm256_mul_ps(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec fma(HalfVec a, HalfVec b, HalfVec c) {
    return {_mm256_fmadd_ps(a.r, b.r, c.r)};
  }
  friend FASTNN_INLINE HalfVec max(HalfVec a, HalfVec b) { return {_mm256_max_ps(a.r, b.r)}; }
};

template <>
struct HalfVec<double> {
  static constexpr int lanes = 4;
  __m256d r;

  static FASTNN_INLINE __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static FASTNN_INLINE HalfVec zero() { return {_mm256_setzero_pd()}; }
  static FASTNN_INLINE HalfVec set(double x) { return {_mm256_set1_pd(x)}; }
  static FASTNN_INLINE HalfVec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static FASTNN_INLINE HalfVec load(const double* p, int n) { return {_mm256_maskz_loadu_pd(first(n), p)}; }
  FASTNN_INLINE void store(double* p) const { _mm256_storeu_pd(p, r); }
  FASTNN_INLINE void store(double* p, int n) const { _mm256_mask_storeu_pd(p, first(n), r); }
  friend FASTNN_INLINE HalfVec operator+(HalfVec a, HalfVec b) { return {_mm256_add_pd(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec operator-(HalfVec a, HalfVec b) { return {_mm256_sub_pd(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec operator*(HalfVec a, HalfVec b) { return {_mm256_mul_pd(a.r, b.r)}; }
  friend FASTNN_INLINE HalfVec fma(HalfVec a, HalfVec b, HalfVec c) {
    return {_mm256_fmadd_pd(a.r, b.r, c.r)};
  }
  friend FASTNN_INLINE HalfVec max(HalfVec a, HalfVec b) { return {_mm256_max_pd(a.r, b.r)}; }
};

struct Words {
  static constexpr int lanes = 8;
  __m512i r;

  static FASTNN_INLINE Words set(uint64_t x) { return {_mm512_set1_epi64(static_cast<int64_t>(x))}; }
  static FASTNN_INLINE Words count(uint64_t first) {
    return {_mm512_add_epi64(set(first).r, _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7))};
  }
  friend FASTNN_INLINE Words operator^(Words a, Words b) { return {_mm512_xor_si512(a.r, b.r)}; }
  friend FASTNN_INLINE Words operator*(Words a, Words b) { return {_mm512_mul_epu32(a.r, b.r)}; }
  friend FASTNN_INLINE Words high(Words a) { return {_mm512_srli_epi64(a.r, 32)}; }
  static FASTNN_INLINE void store(Words a, Words b, Words c, Words d, uint16_t* p) {
    const __m512i ab = _mm512_mask_shuffle_epi32(a.r, 0xAAAA, b.r, _MM_PERM_CCAA);
    const __m512i cd = _mm512_mask_shuffle_epi32(c.r, 0xAAAA, d.r, _MM_PERM_CCAA);
    _mm512_storeu_si512(p, _mm512_unpacklo_epi64(ab, cd));
    _mm512_storeu_si512(p + 32, _mm512_unpackhi_epi64(ab, cd));
  }
};

}  // namespace fastnn::avx512
