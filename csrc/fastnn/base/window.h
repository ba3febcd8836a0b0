// A kernel that slides over an image: its settings along each axis.
#pragma once

#include <algorithm>
#include <cstdint>

namespace fastnn {

struct WindowAxis {
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;
  int64_t overhang = 0;  // how much wider the padding is behind the image than before it

  // Pixels from the kernel's first cell to its last.
  int64_t extent() const { return dilation * (kernel - 1) + 1; }
  // Places of the kernel on `size` pixels; less than 1 where it does not fit.
  int64_t outputs(int64_t size) const {
    const int64_t room = size + 2 * padding + overhang - extent();
    return room < 0 ? 0 : room / stride + 1;
  }
  // With as much padding as gives every pixel a place of its own, at stride 1: PyTorch's "same". Of an odd
  // number of pixels the larger half is behind the image.
  WindowAxis same() const { return {kernel, stride, (extent() - 1) / 2, dilation, (extent() - 1) % 2}; }
  // With room behind the image for a last window that hangs over, unless it would begin there: PyTorch's
  // ceil_mode.
  WindowAxis ceiled(int64_t size) const {
    const int64_t room = size + 2 * padding - extent();
    if (room <= -stride) return *this;
    // Where the last window begins, padding included.
    int64_t last = room > 0 ? ((room - 1) / stride + 1) * stride : 0;
    if (last >= size + padding) last -= stride;
    return {kernel, stride, padding, dilation, std::max<int64_t>(0, last - room)};
  }
};

struct Window2d {
  WindowAxis h, w;
};

}  // namespace fastnn
