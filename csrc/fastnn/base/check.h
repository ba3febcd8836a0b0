// Refusing bad arguments: one line, `[op] argument: expected ..., got ...`.
#pragma once

#include <sstream>
#include <stdexcept>

namespace fastnn {

// Throws std::invalid_argument (ValueError in Python) whose text is all parts after one another.
template <class... Parts>
[[noreturn]] void fail(const char* op, const Parts&... parts) {
  std::ostringstream text;
  text << '[' << op << "] ";
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

template <class... Parts>
void check(bool ok, const char* op, const Parts&... parts) {
  if (!ok) fail(op, parts...);
}

}  // namespace fastnn
