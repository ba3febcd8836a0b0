// Vec<T> on AVX2 and FMA.
#pragma once

#include <immintrin.h>

#include "fastnn/simd/vec.h"

#define FASTNN_ISA avx2

namespace fastnn::avx2 {

// Lane i of a mask for the first n lanes is all ones where i < n: a window into eight -1 and eight 0.
static const int32_t kFirst32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int64_t kFirst64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};

static FASTNN_INLINE void end_streams() { _mm_sfence(); }

template <class T>
struct Vec;

template <>
struct Vec<float> {
  static constexpr int lanes = 8;
  static constexpr int registers = 16;
  using Layout = FloatLayout<float>;
  using Mask = __m256;
  __m256 r;

  static FASTNN_INLINE __m256i first(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kFirst32 + 8 - n));
  }
  static FASTNN_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
  static FASTNN_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static FASTNN_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static FASTNN_INLINE Vec load(const float* p, int n) { return {_mm256_maskload_ps(p, first(n))}; }
  static FASTNN_INLINE Vec load(const float* p, int n, float fill) {
    return select(_mm256_castsi256_ps(first(n)), load(p, n), set(fill));
  }
  FASTNN_INLINE void store(float* p) const { _mm256_storeu_ps(p, r); }
  FASTNN_INLINE void stream(float* p) const { _mm256_stream_ps(p, r); }
  FASTNN_INLINE void store(float* p, int n) const { _mm256_maskstore_ps(p, first(n), r); }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.r, b.r)}; }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return _mm256_cmp_ps(a.r, b.r, _CMP_GT_OQ); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.r, a.r, m)}; }
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return _mm256_cmp_ps(a.r, b.r, _CMP_EQ_OQ); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return _mm256_and_ps(_mm256_cmp_ps(a.r, b.r, _CMP_NLE_UQ), _mm256_cmp_ps(b.r, b.r, _CMP_ORD_Q));
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    const __m256i u = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(u, _mm256_set1_epi32(bound - 1)));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    uint64_t bytes = 0;
    n == lanes ? memcpy(&bytes, p, lanes) : memcpy(&bytes, p, static_cast<size_t>(n));
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))))};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    const __m256i i = _mm256_cvtps_epi32(r);
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    const int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(half, half));
    n == lanes ? memcpy(p, &bytes, lanes) : memcpy(p, &bytes, static_cast<size_t>(n));
  }
  friend FASTNN_INLINE float sum(Vec a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a.r), _mm256_extractf128_ps(a.r, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  friend FASTNN_INLINE float highest(Vec a) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(a.r), _mm256_extractf128_ps(a.r, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
  }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const __m256i field = _mm256_castps_si256((n + set(Layout::to_field)).r);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) {
    const __m256i field = _mm256_srli_epi32(_mm256_castps_si256(a.r), Layout::fraction_bits);
    const __m256i number = _mm256_or_si256(field, _mm256_set1_epi32(Layout::field_base));
    return Vec{_mm256_castsi256_ps(number)} - set(Layout::from_field);
  }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    const __m256i mask = _mm256_set1_epi32(Layout::fraction_mask), one = _mm256_set1_epi32(Layout::one);
    return {_mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(_mm256_castps_si256(a.r), mask), one))};
  }
  // Half of a transpose's exchanges, as what meets in a lane is added at once.
  static FASTNN_INLINE Vec sums(const Vec (&a)[8]) {
    const __m256 x = _mm256_hadd_ps(_mm256_hadd_ps(a[0].r, a[1].r), _mm256_hadd_ps(a[2].r, a[3].r));
    const __m256 y = _mm256_hadd_ps(_mm256_hadd_ps(a[4].r, a[5].r), _mm256_hadd_ps(a[6].r, a[7].r));
    return {_mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31))};
  }
  // First 4x4 blocks within the 128-bit halves of four rows each, then the halves as a 2x2 matrix.
  static FASTNN_INLINE void transpose(Vec (&rows)[8]) {
    __m256 q[8];
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      const __m256 a = _mm256_unpacklo_ps(rows[i].r, rows[i + 1].r),
                   b = _mm256_unpackhi_ps(rows[i].r, rows[i + 1].r);
      const __m256 c = _mm256_unpacklo_ps(rows[i + 2].r, rows[i + 3].r);
      const __m256 d = _mm256_unpackhi_ps(rows[i + 2].r, rows[i + 3].r);
      q[i] = _mm256_shuffle_ps(a, c, 0x44);
      q[i + 1] = _mm256_shuffle_ps(a, c, 0xEE);
      q[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
      q[i + 3] = _mm256_shuffle_ps(b, d, 0xEE);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i].r = _mm256_permute2f128_ps(q[i], q[i + 4], 0x20);
      rows[i + 4].r = _mm256_permute2f128_ps(q[i], q[i + 4], 0x31);
    }
  }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 4;
  static constexpr int registers = 16;
  using Layout = FloatLayout<double>;
  using Mask = __m256d;
  __m256d r;

  static FASTNN_INLINE __m256i first(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kFirst64 + 4 - n));
  }
  static FASTNN_INLINE Vec zero() { return {_mm256_setzero_pd()}; }
  static FASTNN_INLINE Vec set(double x) { return {_mm256_set1_pd(x)}; }
  static FASTNN_INLINE Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static FASTNN_INLINE Vec load(const double* p, int n) { return {_mm256_maskload_pd(p, first(n))}; }
  static FASTNN_INLINE Vec load(const double* p, int n, double fill) {
    return select(_mm256_castsi256_pd(first(n)), load(p, n), set(fill));
  }
  FASTNN_INLINE void store(double* p) const { _mm256_storeu_pd(p, r); }
  FASTNN_INLINE void stream(double* p) const { _mm256_stream_pd(p, r); }
  FASTNN_INLINE void store(double* p, int n) const { _mm256_maskstore_pd(p, first(n), r); }
  friend FASTNN_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_pd(a.r, b.r, c.r)}; }
  friend FASTNN_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_pd(a.r, b.r)}; }
  friend FASTNN_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_pd(a.r)}; }
  friend FASTNN_INLINE Vec abs(Vec a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.r)}; }
  friend FASTNN_INLINE Mask operator>(Vec a, Vec b) { return _mm256_cmp_pd(a.r, b.r, _CMP_GT_OQ); }
  friend FASTNN_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_pd(b.r, a.r, m)}; }
  friend FASTNN_INLINE Mask operator==(Vec a, Vec b) { return _mm256_cmp_pd(a.r, b.r, _CMP_EQ_OQ); }
  friend FASTNN_INLINE Mask beats(Vec a, Vec b) {
    return _mm256_and_pd(_mm256_cmp_pd(a.r, b.r, _CMP_NLE_UQ), _mm256_cmp_pd(b.r, b.r, _CMP_ORD_Q));
  }
  static FASTNN_INLINE Mask at_least(const uint16_t* p, int bound) {
    const __m256i u = _mm256_cvtepu16_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(u, _mm256_set1_epi64x(bound - 1)));
  }
  static FASTNN_INLINE Vec load_bytes(const uint8_t* p, int n) {
    int32_t bytes = 0;
    n == lanes ? memcpy(&bytes, p, lanes) : memcpy(&bytes, p, static_cast<size_t>(n));
    return {_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)))};
  }
  FASTNN_INLINE void store_bytes(uint8_t* p, int n) const {
    const __m128i i = _mm256_cvtpd_epi32(r), half = _mm_packus_epi32(i, i);
    const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(half, half));
    n == lanes ? memcpy(p, &bytes, lanes) : memcpy(p, &bytes, static_cast<size_t>(n));
  }
  friend FASTNN_INLINE double sum(Vec a) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(a.r), _mm256_extractf128_pd(a.r, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
  friend FASTNN_INLINE double highest(Vec a) {
    const __m128d half = _mm_max_pd(_mm256_castpd256_pd128(a.r), _mm256_extractf128_pd(a.r, 1));
    return _mm_cvtsd_f64(_mm_max_sd(half, _mm_unpackhi_pd(half, half)));
  }
  friend FASTNN_INLINE Vec pow2(Vec n) {
    const __m256i field = _mm256_castpd_si256((n + set(Layout::to_field)).r);
    return {_mm256_castsi256_pd(_mm256_slli_epi64(field, Layout::fraction_bits))};
  }
  friend FASTNN_INLINE Vec exponent(Vec a) {
    const __m256i field = _mm256_srli_epi64(_mm256_castpd_si256(a.r), Layout::fraction_bits);
    const __m256i number = _mm256_or_si256(field, _mm256_set1_epi64x(Layout::field_base));
    return Vec{_mm256_castsi256_pd(number)} - set(Layout::from_field);
  }
  friend FASTNN_INLINE Vec mantissa(Vec a) {
    const __m256i mask = _mm256_set1_epi64x(Layout::fraction_mask), one = _mm256_set1_epi64x(Layout::one);
    return {_mm256_castsi256_pd(_mm256_or_si256(_mm256_and_si256(_mm256_castpd_si256(a.r), mask), one))};
  }
  static FASTNN_INLINE Vec sums(const Vec (&a)[4]) {
    const __m256d x = _mm256_hadd_pd(a[0].r, a[1].r), y = _mm256_hadd_pd(a[2].r, a[3].r);
    return {_mm256_add_pd(_mm256_permute2f128_pd(x, y, 0x20), _mm256_permute2f128_pd(x, y, 0x31))};
  }
  static FASTNN_INLINE void transpose(Vec (&rows)[4]) {
    const __m256d a = _mm256_unpacklo_pd(rows[0].r, rows[1].r), b = _mm256_unpackhi_pd(rows[0].r, rows[1].r);
    const __m256d c = _mm256_unpacklo_pd(rows[2].r, rows[3].r), d = _mm256_unpackhi_pd(rows[2].r, rows[3].r);
    rows[0].r = _mm256_permute2f128_pd(a, c, 0x20);
    rows[1].r = _mm256_permute2f128_pd(b, d, 0x20);
    rows[2].r = _mm256_permute2f128_pd(a, c, 0x31);
    rows[3].r = _mm256_permute2f128_pd(b, d, 0x31);
  }
};

template <class T>
using HalfVec = Vec<T>;

struct Words {
  static constexpr int lanes = 4;
  __m256i r;

  static FASTNN_INLINE Words set(uint64_t x) { return {_mm256_set1_epi64x(static_cast<int64_t>(x))}; }
  static FASTNN_INLINE Words count(uint64_t first) {
    return {_mm256_add_epi64(set(first).r, _mm256_setr_epi64x(0, 2, 1, 3))};
  }
  friend FASTNN_INLINE Words operator^(Words a, Words b) { return {_mm256_xor_si256(a.r, b.r)}; }
  friend FASTNN_INLINE Words operator*(Words a, Words b) { return {_mm256_mul_epu32(a.r, b.r)}; }
  friend FASTNN_INLINE Words high(Words a) { return {_mm256_srli_epi64(a.r, 32)}; }
  static FASTNN_INLINE void store(Words a, Words b, Words c, Words d, uint16_t* p) {
    const __m256i ab = _mm256_blend_epi32(a.r, _mm256_slli_epi64(b.r, 32), 0xAA);
    const __m256i cd = _mm256_blend_epi32(c.r, _mm256_slli_epi64(d.r, 32), 0xAA);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_unpacklo_epi64(ab, cd));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 16), _mm256_unpackhi_epi64(ab, cd));
  }
};

}  // namespace fastnn::avx2
