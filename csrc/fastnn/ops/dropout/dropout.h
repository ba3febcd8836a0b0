// dropout: sets elements to zero by chance, the same ones whenever it is called with the same stream.
//
//   y = x * scale where u >= threshold, else 0
//
// dx likewise from dy: one function serves both passes.
//
// u is the 16-bit uniform of the element: of Philox4x32 with 7 rounds, key (low, high word of `bits`),
// counter (block low, high; example low, high), where block = e / 8, example = stream.example + n, and e is
// the element's index within its example, in the order H, W, C for images (N, C, H, W) and in C order else. A
// counter gives eight uniforms: word 0 low and high half, word 1 low and high half, and so on. So the mask
// depends neither on memory order, threads nor instruction set, and none is stored.
//
// Groups of elements may share a uniform: all of a channel (e is then the channel's number), or all of an
// example (e is 0).
//
// Any shape of at least one axis. x has any strides; y is dense in C order or with channels last, and is
// overwritten. Thread-safe. T is float or double.
//
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, https://doi.org/10.1145/2063384.2063405
#pragma once

#include "fastnn/base/tensor_view.h"

namespace fastnn {

enum class DropoutGroup { element, channel, example };

struct DropoutStream {
  uint64_t bits;
  uint64_t example;
  int threshold;  // 0 to 65536: round(65536 * chance of a zero)
};

template <class T>
void dropout(const TensorView<const T>& x, const DropoutStream& stream, T scale, DropoutGroup group,
             const TensorView<T>& y);

}  // namespace fastnn
