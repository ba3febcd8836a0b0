// The transforms over Vec<T>. Each two-dimensional transform is a one-dimensional one applied to columns,
// then to rows.
#include "fastnn/ops/winograd/winograd_kernel.h"

namespace fastnn::FASTNN_ISA {

// The matrices of a form in one dimension, each as the function that multiplies by it; of F(m, 3):
//   data:        B^T  (m+2 from m+2)      output:  A^T (m from m+2)      filter:  G   (m+2 from 3)
//   spread:      A    (m+2 from m)                                       filter_transposed: G^T (3 from m+2)
// Row i of B^T holds the coefficients of the product of (t - a_j) over the finite points a_j other than a_i;
// row i of G is (1, a_i, a_i^2) / product of (a_i - a_j); A^T holds the powers of the points; infinity picks
// the last coefficient.
template <class T, WinogradForm kForm>
struct Winograd;

// One term a product.
static constexpr WinogradSum kWinogradSums[] = {{1, {0}, {0}}, {1, {1}, {1}}, {1, {2}, {2}},
                                                {1, {3}, {3}}, {1, {4}, {4}}, {1, {5}, {5}}};

template <class T>
struct Winograd<T, WinogradForm::two> {  // points 0, 1, -1, infinity
  using V = Vec<T>;
  static constexpr WinogradShape shape{4, 2, 4, 4, 4, kWinogradSums, 1, {{0, 4}}};
  static FASTNN_INLINE void data(const V (&d)[4], V (&out)[4]) {
    out[0] = d[2] - d[0];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[3] - d[1];
  }
  static FASTNN_INLINE void output(const V (&m)[4], V (&out)[2]) {
    out[0] = m[0] + (m[1] + m[2]);
    out[1] = (m[1] - m[2]) + m[3];
  }
  static FASTNN_INLINE void spread(const V (&y)[2], V (&out)[4]) {
    out[0] = y[0];
    out[1] = y[0] + y[1];
    out[2] = y[0] - y[1];
    out[3] = y[1];
  }
  static FASTNN_INLINE void filter(const V (&g)[3], V (&out)[4]) {
    const V half = V::set(T(0.5)), even = half * (g[0] + g[2]), odd = half * g[1];
    out[0] = V::zero() - g[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = g[2];
  }
  static FASTNN_INLINE void filter_transposed(const V (&m)[4], V (&out)[3]) {
    const V half = V::set(T(0.5)), sum = half * (m[1] + m[2]);
    out[0] = sum - m[0];
    out[1] = half * (m[1] - m[2]);
    out[2] = sum + m[3];
  }
};

template <class T>
struct Winograd<T, WinogradForm::four> {  // points 0, p, -p, q, -q, infinity with p = 5/8, q = 3/2
  using V = Vec<T>;
  static constexpr WinogradShape shape{6, 4, 6, 6, 6, kWinogradSums, 1, {{0, 6}}};
  static constexpr double p = 0.625, q = 1.5, pp = p * p, qq = q * q;
  static FASTNN_INLINE V c(double x) { return V::set(T(x)); }

  static FASTNN_INLINE void data(const V (&d)[6], V (&out)[6]) {
    const V p_even = fnma(c(qq), d[2], d[4]), p_odd = c(p) * fnma(c(qq), d[1], d[3]);
    const V q_even = fnma(c(pp), d[2], d[4]), q_odd = c(q) * fnma(c(pp), d[1], d[3]);
    out[0] = fma(c(pp * qq), d[0], fnma(c(pp + qq), d[2], d[4]));
    out[1] = p_even + p_odd;
    out[2] = p_even - p_odd;
    out[3] = q_even + q_odd;
    out[4] = q_even - q_odd;
    out[5] = fma(c(pp * qq), d[1], fnma(c(pp + qq), d[3], d[5]));
  }
  static FASTNN_INLINE void output(const V (&m)[6], V (&out)[4]) {
    const V p_sum = m[1] + m[2], p_difference = m[1] - m[2], q_sum = m[3] + m[4], q_difference = m[3] - m[4];
    out[0] = m[0] + (p_sum + q_sum);
    out[1] = fma(c(p), p_difference, c(q) * q_difference);
    out[2] = fma(c(pp), p_sum, c(qq) * q_sum);
    out[3] = fma(c(pp * p), p_difference, fma(c(qq * q), q_difference, m[5]));
  }
  static FASTNN_INLINE void spread(const V (&y)[4], V (&out)[6]) {
    const V p_even = fma(c(pp), y[2], y[0]), p_odd = c(p) * fma(c(pp), y[3], y[1]);
    const V q_even = fma(c(qq), y[2], y[0]), q_odd = c(q) * fma(c(qq), y[3], y[1]);
    out[0] = y[0];
    out[1] = p_even + p_odd;
    out[2] = p_even - p_odd;
    out[3] = q_even + q_odd;
    out[4] = q_even - q_odd;
    out[5] = y[3];
  }
  // Products over the other points: p^2 q^2 at 0, 2 p^2 (p^2 - q^2) at +-p, 2 q^2 (q^2 - p^2) at +-q.
  static constexpr double n0 = 1 / (pp * qq), np = 1 / (2 * pp * (pp - qq)), nq = 1 / (2 * qq * (qq - pp));
  static FASTNN_INLINE void filter(const V (&g)[3], V (&out)[6]) {
    const V p_even = c(np) * fma(c(pp), g[2], g[0]), p_odd = c(np * p) * g[1];
    const V q_even = c(nq) * fma(c(qq), g[2], g[0]), q_odd = c(nq * q) * g[1];
    out[0] = c(n0) * g[0];
    out[1] = p_even + p_odd;
    out[2] = p_even - p_odd;
    out[3] = q_even + q_odd;
    out[4] = q_even - q_odd;
    out[5] = g[2];
  }
  static FASTNN_INLINE void filter_transposed(const V (&m)[6], V (&out)[3]) {
    const V p_sum = c(np) * (m[1] + m[2]), q_sum = c(nq) * (m[3] + m[4]);
    out[0] = fma(c(n0), m[0], p_sum + q_sum);
    out[1] = fma(c(np * p), m[1] - m[2], c(nq * q) * (m[3] - m[4]));
    out[2] = fma(c(pp), p_sum, fma(c(qq), q_sum, m[5]));
  }
};

// With stride 2 the even pixels of a window meet taps 0 and 2, a convolution with stride 1 and two taps, and
// the odd ones meet tap 1 alone. F(4, 2) has the points p, -p, q, -q, infinity. Its data at the finite points
// are those of the polynomial through them (rows of the inverse of A^T without infinity), so that for one tap
// A^T gives the pixels themselves back: both add up before the output's transform.
template <class T>
struct Strided {  // p = 1/2, q = 5/4
  using V = Vec<T>;
  static constexpr double p = 0.5, q = 1.25, pp = p * p, qq = q * q, np = 1 / (2 * (pp - qq)), nq = -np;
  static FASTNN_INLINE V c(double x) { return V::set(T(x)); }

  // The coefficients of the product over the other finite points, divided by its value at the point.
  static FASTNN_INLINE void finite(V d0, V d1, V d2, V d3, V* out) {
    const V p_even = c(np) * fnma(c(qq), d0, d2), p_odd = fnma(c(qq), d1, d3);
    const V q_even = c(nq) * fnma(c(pp), d0, d2), q_odd = fnma(c(pp), d1, d3);
    out[0] = fma(c(np / p), p_odd, p_even);
    out[1] = fnma(c(np / p), p_odd, p_even);
    out[2] = fma(c(nq / q), q_odd, q_even);
    out[3] = fnma(c(nq / q), q_odd, q_even);
  }
  static FASTNN_INLINE V infinite(V d0, V d2, V d4) { return fma(c(pp * qq), d0, fnma(c(pp + qq), d2, d4)); }
  // Four pixels from what is at the finite points, and at infinity.
  static FASTNN_INLINE void pixels(const V* m, V infinity, V& y0, V& y1, V& y2, V& y3) {
    const V p_sum = m[0] + m[1], p_difference = m[0] - m[1], q_sum = m[2] + m[3], q_difference = m[2] - m[3];
    y0 = p_sum + q_sum;
    y1 = fma(c(p), p_difference, c(q) * q_difference);
    y2 = fma(c(pp), p_sum, c(qq) * q_sum);
    y3 = fma(c(pp * p), p_difference, fma(c(qq * q), q_difference, infinity));
  }
  static FASTNN_INLINE void filter(const V (&g)[3], V (&out)[6]) {
    out[0] = fma(c(p), g[2], g[0]);
    out[1] = fnma(c(p), g[2], g[0]);
    out[2] = fma(c(q), g[2], g[0]);
    out[3] = fnma(c(q), g[2], g[0]);
    out[4] = g[2];
    out[5] = g[1];
  }
  static FASTNN_INLINE void filter_transposed(const V (&m)[6], V (&out)[3]) {
    out[0] = (m[0] + m[1]) + (m[2] + m[3]);
    out[1] = m[5];
    out[2] = fma(c(p), m[0] - m[1], fma(c(q), m[2] - m[3], m[4]));
  }
};

template <class T>
struct Winograd<T, WinogradForm::halving> : Strided<T> {
  using V = Vec<T>;
  using S = Strided<T>;
  static constexpr WinogradSum sums[] = {
      {2, {0, 5}, {0, 5}}, {2, {1, 6}, {1, 5}}, {2, {2, 7}, {2, 5}}, {2, {3, 8}, {3, 5}}, {1, {4}, {4}}};
  static constexpr WinogradShape shape{9, 4, 9, 6, 5, sums, 1, {{0, 5}}};

  static FASTNN_INLINE void data(const V (&d)[9], V (&out)[9]) {
    S::finite(d[0], d[2], d[4], d[6], out);
    out[4] = S::infinite(d[0], d[4], d[8]);
    S::finite(d[1], d[3], d[5], d[7], out + 5);
  }
  static FASTNN_INLINE void output(const V (&m)[5], V (&out)[4]) {
    S::pixels(m, m[4], out[0], out[1], out[2], out[3]);
  }
  static FASTNN_INLINE void spread(const V (&y)[4], V (&out)[5]) {
    const V p_even = fma(S::c(S::pp), y[2], y[0]), p_odd = S::c(S::p) * fma(S::c(S::pp), y[3], y[1]);
    const V q_even = fma(S::c(S::qq), y[2], y[0]), q_odd = S::c(S::q) * fma(S::c(S::qq), y[3], y[1]);
    out[0] = p_even + p_odd;
    out[1] = p_even - p_odd;
    out[2] = q_even + q_odd;
    out[3] = q_even - q_odd;
    out[4] = y[3];
  }
};

// Of dx every second pixel meets taps 2 and 0 of two neighbouring dy, and the one before it tap 1 of the
// first.
template <class T>
struct Winograd<T, WinogradForm::doubling> : Strided<T> {
  using V = Vec<T>;
  using S = Strided<T>;
  static constexpr WinogradSum sums[] = {{1, {0}, {0}}, {1, {1}, {1}}, {1, {2}, {2}},
                                         {1, {3}, {3}}, {1, {4}, {4}}, {1, {0}, {5}},
                                         {1, {1}, {5}}, {1, {2}, {5}}, {1, {3}, {5}}};
  static constexpr WinogradShape shape{5, 8, 5, 6, 9, sums, 2, {{5, 4}, {0, 5}}};

  static FASTNN_INLINE void data(const V (&d)[5], V (&out)[5]) {
    S::finite(d[0], d[1], d[2], d[3], out);
    out[4] = S::infinite(d[0], d[2], d[4]);
  }
  static FASTNN_INLINE void even(const V (&m)[4], V (&out)[4]) {
    S::pixels(m, V::zero(), out[0], out[1], out[2], out[3]);
  }
  static FASTNN_INLINE void odd(const V (&m)[5], V (&out)[4]) {
    S::pixels(m, m[4], out[0], out[1], out[2], out[3]);
  }
};

template <class T, int kIn, int kOut>
using WinogradTransform = void (*)(const Vec<T> (&)[kIn], Vec<T> (&)[kOut]);

// out = L in R^T for one-dimensional transforms L from kRows and R from kCols to kOut values. In kParts
// parts, each loads all of `in` for its rows of `out`: what is between would not fit into the registers.
template <class T, int kOut, int kRows, WinogradTransform<T, kRows, kOut> kLeft, int kCols,
          WinogradTransform<T, kCols, kOut> kRight, int kParts = 1, class Load, class Store>
static FASTNN_INLINE void left_and_right(Load load, Store store) {
  using V = Vec<T>;
  constexpr int kHalf = kOut / kParts;
  static_assert(kHalf * kParts == kOut);
  V half[kHalf][kCols];
  const auto column = [&](int first, int j) __attribute__((always_inline)) {
    V in[kRows], out[kOut];
#pragma GCC unroll 9
    for (int i = 0; i < kRows; ++i) in[i] = load(i, j);
    kLeft(in, out);
#pragma GCC unroll 9
    for (int i = 0; i < kHalf; ++i) half[i][j] = out[first + i];
  };
  const auto row = [&](int first, int i) __attribute__((always_inline)) {
    V out[kOut];
    kRight(half[i], out);
#pragma GCC unroll 9
    for (int j = 0; j < kOut; ++j) store(first + i, j, out[j]);
  };
  if constexpr (kRows <= 6 && kOut <= 6) {
#pragma GCC unroll 2
    for (int first = 0; first < kOut; first += kHalf) {
#pragma GCC unroll 6
      for (int j = 0; j < kCols; ++j) column(first, j);
#pragma GCC unroll 6
      for (int i = 0; i < kHalf; ++i) row(first, i);
    }
  } else {  // more than registers hold, and code than the first cache
    for (int j = 0; j < kCols; ++j) column(0, j);
    for (int i = 0; i < kOut; ++i) row(0, i);
  }
}

// With the same transform on both sides.
template <class T, int kIn, int kOut, WinogradTransform<T, kIn, kOut> kTransform, int kParts = 1, class Load,
          class Store>
static FASTNN_INLINE void both_ways(Load load, Store store) {
  left_and_right<T, kOut, kIn, kTransform, kIn, kTransform, kParts>(load, store);
}

// Calls body(channel, lanes) for runs of whole registers, then for what is left.
template <class T, class Body>
static FASTNN_INLINE void by_channels(int64_t channels, Body body) {
  constexpr int L = Vec<T>::lanes;
  int64_t c = 0;
  for (; c + L <= channels; c += L) body(c, L);
  if (c < channels) body(c, static_cast<int>(channels - c));
}

template <class T>
static FASTNN_INLINE Vec<T> load_lanes(const T* p, int n) {
  return n == Vec<T>::lanes ? Vec<T>::load(p) : Vec<T>::load(p, n);
}

template <class T>
static FASTNN_INLINE void store_lanes(Vec<T> x, T* p, int n) {
  n == Vec<T>::lanes ? x.store(p) : x.store(p, n);
}

// Which rows and columns of a patch are inside the image: all bits of them are set.
template <int kSize>
struct PatchEdges {
  int row[kSize], col[kSize];

  template <class Pixel>
  explicit PatchEdges(const WinogradPatch<Pixel>& patch) {
    for (int i = 0; i < kSize; ++i) {
      row[i] = i >= patch.top && i < patch.bottom ? -1 : 0;
      col[i] = i >= patch.left && i < patch.right ? -1 : 0;
    }
  }
};

// One register of channels of a patch. Inside the image, and if the register is full (kWhole), pixels are
// plain loads and stores; elsewhere those beyond an edge have no lanes. Pixel is T or const T.
template <class T, int kSize, bool kWhole, class Pixel>
struct PatchLanes {
  using V = Vec<T>;
  const WinogradPatch<Pixel>& patch;
  const PatchEdges<kSize>& edges;
  int64_t c;
  int n;

  FASTNN_INLINE bool inside(int y, int x) const { return kWhole || (edges.row[y] & edges.col[x]) != 0; }
  FASTNN_INLINE int lanes(int y, int x) const { return n & edges.col[x] & edges.row[y]; }
  FASTNN_INLINE Pixel* at(int y, int x) const { return patch.corner + y * patch.row + x * patch.col + c; }
  FASTNN_INLINE V load(int y, int x) const {
    return kWhole ? V::load(at(y, x)) : V::load(at(y, x), lanes(y, x));
  }
  FASTNN_INLINE void store(V v, int y, int x) const {
    kWhole ? v.store(at(y, x)) : v.store(at(y, x), lanes(y, x));
  }
  // The same lanes of another image.
  FASTNN_INLINE PatchLanes<T, kSize, kWhole, const T> of(const WinogradPatch<const T>& other) const {
    return {other, edges, c, n};
  }
};

// Calls body with the lanes of each register of channels.
template <class T, int kSize, class Pixel, class Body>
static FASTNN_INLINE void by_patch_channels(const WinogradPatch<Pixel>& patch, int64_t channels, Body body) {
  const bool whole = patch.top <= 0 && patch.left <= 0 && patch.bottom >= kSize && patch.right >= kSize;
  const PatchEdges<kSize> edges(patch);
  by_channels<T>(channels, [&](int64_t c, int n) {
    if (whole && n == Vec<T>::lanes) {
      body(PatchLanes<T, kSize, true, Pixel>{patch, edges, c, n});
    } else {
      body(PatchLanes<T, kSize, false, Pixel>{patch, edges, c, n});
    }
  });
}

template <class T, class W>
static void winograd_gather(const WinogradToPlanes<T>& g) {
  using V = Vec<T>;
  constexpr int kWindow = W::shape.window, kData = W::shape.data, kParts = kWindow == 6 ? 2 : 1;
  by_patch_channels<T, kWindow>(g.pixels, g.channels, [&](const auto& pixels) {
    const auto store = [&](int i, int j, V x) {
      store_lanes(x, g.out + (i * kData + j) * g.plane + pixels.c, pixels.n);
    };
    if (!g.scale) {
      return both_ways<T, kWindow, kData, W::data, kParts>([&](int y, int x) { return pixels.load(y, x); },
                                                           store);
    }
    const V scale = load_lanes(g.scale + pixels.c, pixels.n),
            shift = load_lanes(g.shift + pixels.c, pixels.n),
            center = load_lanes(g.center + pixels.c, pixels.n), floor = V::set(g.floor);
    both_ways<T, kWindow, kData, W::data>(
        [&](int y, int x) {
          if (!pixels.inside(y, x)) return V::zero();
          return max(floor, fma(pixels.load(y, x) - center, scale, shift));
        },
        store);
  });
}

template <class T, class W>
static void winograd_spread(const WinogradToPlanes<T>& g) {
  by_patch_channels<T, W::shape.tile>(g.pixels, g.channels, [&](const auto& pixels) {
    both_ways<T, W::shape.tile, W::shape.products, W::spread>(
        [&](int y, int x) { return pixels.load(y, x); },
        [&](int i, int j, Vec<T> x) {
          store_lanes(x, g.out + (i * W::shape.products + j) * g.plane + pixels.c, pixels.n);
        });
  });
}

template <int kTile, class Body>
static FASTNN_INLINE void by_pixels(Body body) {
#pragma GCC unroll 4
  for (int y = 0; y < kTile; ++y) {
#pragma GCC unroll 4
    for (int x = 0; x < kTile; ++x) body(y, x);
  }
}

// Adds the mean and squared deviations of the pixels inside to the running ones (Chan, Golub and LeVeque,
// 1979).
template <class T, int kTile, class Lanes>
static FASTNN_INLINE void join_pixels(const WinogradFromPlanes<T>& s, const Lanes& lanes,
                                      const Vec<T> (&pixel)[kTile][kTile]) {
  using V = Vec<T>;
  V total = V::zero(), squares = V::zero();
  int count = 0;
  by_pixels<kTile>([&](int y, int x) __attribute__((always_inline)) {
    if (!lanes.inside(y, x)) return;
    total = total + pixel[y][x];
    ++count;
  });
  const V mean = total * V::set(T(1) / T(count));
  by_pixels<kTile>([&](int y, int x) __attribute__((always_inline)) {
    if (!lanes.inside(y, x)) return;
    const V d = pixel[y][x] - mean;
    squares = fma(d, d, squares);
  });
  T *means = s.mean + lanes.c, *deviations = s.sum_squares + lanes.c;
  const T before = T(s.seen), share = T(count) / (before + T(count));
  const V old_mean = s.seen ? V::load(means, lanes.n) : V::zero();
  const V old_squares = s.seen ? V::load(deviations, lanes.n) : V::zero();
  const V delta = mean - old_mean;
  fma(delta, V::set(share), old_mean).store(means, lanes.n);
  fma(delta * delta, V::set(before * share), old_squares + squares).store(deviations, lanes.n);
}

// Masks the gradient by the sign of the norm's output, computed again as the norm did, and adds up what the
// norm's backward pass needs of it.
template <class T, int kTile, class Lanes>
static FASTNN_INLINE void reduce_pixels(const WinogradFromPlanes<T>& s, const Lanes& lanes,
                                        const Vec<T> (&pixel)[kTile][kTile]) {
  using V = Vec<T>;
  T *sums = s.sum + lanes.c, *products = s.product + lanes.c;
  const V center = load_lanes(s.center + lanes.c, lanes.n), scale = load_lanes(s.scale + lanes.c, lanes.n),
          shift = load_lanes(s.shift + lanes.c, lanes.n);
  V sum = load_lanes(sums, lanes.n), product = load_lanes(products, lanes.n);
  by_pixels<kTile>([&](int i, int j) __attribute__((always_inline)) {
    if (!lanes.inside(i, j)) return;
    const V x = lanes.of(s.norm_x).load(i, j) - center;
    V d = pixel[i][j];
    if (s.norm_relu) {
      V y = fma(x, scale, shift);
      if (s.norm_residual.corner) y = y + lanes.of(s.norm_residual).load(i, j);
      d = select(y > V::zero(), d, V::zero());
    }
    sum = sum + d;
    product = fma(d, x, product);
    lanes.store(d, i, j);
  });
  store_lanes(sum, sums, lanes.n);
  store_lanes(product, products, lanes.n);
}

template <class T, int kTile, int kRows, WinogradTransform<T, kRows, kTile> kLeft, int kCols,
          WinogradTransform<T, kCols, kTile> kRight>
static void winograd_scatter(const WinogradFromPlanes<T>& s) {
  using V = Vec<T>;
  by_patch_channels<T, kTile>(s.pixels, s.channels, [&](const auto& pixels) {
    V pixel[kTile][kTile];
    const V bias = s.bias ? load_lanes(s.bias + pixels.c, pixels.n) : V::zero();
    left_and_right<T, kTile, kRows, kLeft, kCols, kRight>(
        [&](int i, int j) { return load_lanes(s.in + (i * kCols + j) * s.plane + pixels.c, pixels.n); },
        [&](int i, int j, V x) {
          x = x + bias;
          if (s.residual.corner) x = x + pixels.of(s.residual).load(i, j);
          if (s.relu) x = max(V::zero(), x);
          if (!s.norm_x.corner) pixels.store(x, i, j);
          pixel[i][j] = x;
        });
    if (s.norm_x.corner) reduce_pixels(s, pixels, pixel);
    if (s.mean) join_pixels(s, pixels, pixel);
  });
}

// products (+)= data x filters for strips of kRows tiles and kDepth channels, whose filters stay in
// registers.
template <class T, int kRows, int kDepth, bool kAdd>
static void multiply_strips(const T* data, int64_t data_row, const T* filters, T* products, int64_t strips) {
  using V = Vec<T>;
  constexpr int kBases = (kRows + 2) / 3;
  V filter[kDepth];
#pragma GCC unroll 16
  for (int k = 0; k < kDepth; ++k) filter[k] = V::load(filters + k * V::lanes);
  for (int64_t s = 0; s < strips; ++s, data += kRows * data_row, products += kRows * V::lanes) {
    // base, base + data_row and base + 2 * data_row are addresses that one instruction forms.
    const T* base[kBases];
#pragma GCC unroll 8
    for (int g = 0; g < kBases; ++g) {
      base[g] = data + 3 * g * data_row;
      asm("" : "+r"(base[g]));  // or the compiler makes an offset for each row
    }
    V acc[kRows];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) acc[i] = kAdd ? V::load(products + i * V::lanes) : V::zero();
#pragma GCC unroll 16
    for (int k = 0; k < kDepth; ++k) {
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        acc[i] = fma(V::set(base[i / 3][i % 3 * data_row + k]), filter[k], acc[i]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) acc[i].store(products + i * V::lanes);
  }
}

template <class T, int kRows, int kDepth, bool kAdd>
static void multiply_tiles(int64_t tiles, const T* data, int64_t data_row, const T* filters, T* products) {
  const int64_t strips = tiles / kRows, done = strips * kRows;
  multiply_strips<T, kRows, kDepth, kAdd>(data, data_row, filters, products, strips);
  if constexpr (kRows > 1) {
    if (done == tiles) return;
    multiply_tiles<T, kRows / 2, kDepth, kAdd>(tiles - done, data + done * data_row, data_row, filters,
                                               products + done * Vec<T>::lanes);
  }
}

// Half of the registers hold filters, the others sums, but for a broadcast and a spare. Eight sums of the
// widest registers hide the latency of fma, and leave fewer tiles over.
template <class T>
constexpr int strip_rows() {
  return Vec<T>::lanes * sizeof(T) == 64 ? 8 : Vec<T>::registers / 2 - 2;
}

template <class T>
static void winograd_multiply(const WinogradProduct<T>& g) {
  using V = Vec<T>;
  constexpr int kDepth = V::registers / 2, kRows = strip_rows<T>();
  const auto multiply = [&](int64_t c, auto kernel) {
    kernel(g.tiles, g.data + c, g.channels, g.filters + c * V::lanes, g.products);
  };
  int64_t c = 0;
  for (; c + kDepth <= g.channels; c += kDepth) {
    multiply(c, c || g.accumulate ? multiply_tiles<T, kRows, kDepth, true>
                                  : multiply_tiles<T, kRows, kDepth, false>);
  }
  for (; c < g.channels; ++c) {
    multiply(c, c || g.accumulate ? multiply_tiles<T, kRows, 1, true> : multiply_tiles<T, kRows, 1, false>);
  }
}

template <class T, class W>
static void winograd_filter(const WinogradFilter<T>& g) {
  by_channels<T>(g.channels, [&](int64_t f, int n) {
    both_ways<T, 3, W::shape.filters, W::filter>(
        [&](int i, int j) { return load_lanes(g.taps + (3 * i + j) * g.tap + f, n); },
        [&](int i, int j, Vec<T> x) { store_lanes(x, g.out + (i * W::shape.filters + j) * g.plane + f, n); });
  });
}

template <class T, class W>
static void winograd_filter_gradient(const WinogradFilterGradient<T>& g) {
  by_channels<T>(g.channels, [&](int64_t f, int n) {
    both_ways<T, W::shape.filters, 3, W::filter_transposed>(
        [&](int i, int j) { return load_lanes(g.in + (i * W::shape.filters + j) * g.plane + f, n); },
        [&](int i, int j, Vec<T> x) { store_lanes(x, g.taps + (3 * i + j) * g.tap + f, n); });
  });
}

}  // namespace fastnn::FASTNN_ISA

#include "fastnn/ops/winograd/winograd_thin.inl.h"

namespace fastnn::FASTNN_ISA {

template <class T, WinogradForm kForm>
static WinogradKernel<T> winograd_kernel_of() {
  using W = Winograd<T, kForm>;
  WinogradKernel<T> kernel{W::shape,
                           Vec<T>::lanes,
                           strip_rows<T>(),
                           winograd_gather<T, W>,
                           nullptr,
                           {},
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           winograd_multiply<T>,
                           winograd_filter<T, W>,
                           winograd_filter_gradient<T, W>};
  if constexpr (kForm == WinogradForm::doubling) {
    kernel.scatter[0][0] = winograd_scatter<T, 4, 4, W::even, 4, W::even>;
    kernel.scatter[0][1] = winograd_scatter<T, 4, 4, W::even, 5, W::odd>;
    kernel.scatter[1][0] = winograd_scatter<T, 4, 5, W::odd, 4, W::even>;
    kernel.scatter[1][1] = winograd_scatter<T, 4, 5, W::odd, 5, W::odd>;
  } else {
    constexpr int kTile = W::shape.tile, kSide = W::shape.products;
    kernel.scatter[0][0] = winograd_scatter<T, kTile, kSide, W::output, kSide, W::output>;
    kernel.spread = winograd_spread<T, W>;
  }
  if constexpr (kForm == WinogradForm::four) {
    kernel.thin_gather = winograd_thin_gather<T, W>;
    kernel.thin_tiles = winograd_thin_tiles<T, W>;
    kernel.thin_gather_rows = winograd_thin_gather_rows<T, W>;
    kernel.thin_sums = winograd_thin_sums<T, W>;
    kernel.thin_gradient = winograd_thin_gradient<T, W>;
  }
  return kernel;
}

template <class T>
WinogradKernel<T> winograd_kernel(WinogradForm form) {
  switch (form) {
    case WinogradForm::two:
      return winograd_kernel_of<T, WinogradForm::two>();
    case WinogradForm::four:
      return winograd_kernel_of<T, WinogradForm::four>();
    case WinogradForm::halving:
      return winograd_kernel_of<T, WinogradForm::halving>();
    default:
      return winograd_kernel_of<T, WinogradForm::doubling>();
  }
}

template WinogradKernel<float> winograd_kernel<float>(WinogradForm);
template WinogradKernel<double> winograd_kernel<double>(WinogradForm);

}  // namespace fastnn::FASTNN_ISA
