// A kernel that slides over an image: its settings along each axis.
#pragma once

#include <cstdint>

namespace fastnn {

struct WindowAxis {
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;

  // Pixels from the kernel's first cell to its last.
  int64_t extent() const { return dilation * (kernel - 1) + 1; }
  // Places of the kernel on `size` pixels; less than 1 where it does not fit.
  int64_t outputs(int64_t size) const {
    const int64_t room = size + 2 * padding - extent();
    return room < 0 ? 0 : room / stride + 1;
  }
};

struct Window2d {
  WindowAxis h, w;
};

}  // namespace fastnn
