// gaussian_noise: adds normal numbers, the same ones whenever it is called with the same stream.
//
//   y = x + std * normal                                                                 dx = dy
//
// normal is that of the element: number e % 4 of four that Box and Muller make of the words of Philox4x32
// with 7 rounds, key (low, high word of `bits`), counter (block low, high; example low, high), where block =
// e / 4, example = stream.example + n, and e is the element's index within its example, in the order H, W, C
// for images (N, C, H, W) and in C order else. Words 0 and 1 make numbers 0 and 1, words 2 and 3 the others:
//
//   radius = sqrt(-2 log(u)),  u = (a + 1/2) / 2^32 for a >= 0, else 1 + (a + 1/2) / 2^32
//   normal = radius * (cos, sin)(2 pi (b + 1/2) / 2^32)             a, b: the two words, as signed integers
//
// So the noise depends neither on memory order, threads nor, but for rounding, on instruction set and dtype.
//
// Any shape of at least one axis. x has any strides; y is dense in C order or with channels last, and is
// overwritten. Thread-safe. T is float or double.
//
// Box and Muller, "A note on the generation of random normal deviates", 1958,
// https://doi.org/10.1214/aoms/1177706645
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

struct NoiseStream {
  uint64_t bits;
  uint64_t example;
};

template <class T>
void gaussian_noise(const TensorView<const T>& x, const NoiseStream& stream, T std, const TensorView<T>& y);

}  // namespace fastnn
