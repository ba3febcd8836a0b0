// What follows from operands that do not change, computed once: packed and transformed weights of a net that
// only predicts.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <typeindex>
#include <utility>

namespace fastnn {

// Values by who makes them and variant, each made when it is first asked for. The type of a lambda `make`
// names the place in the code that it stands at, so that two algorithms never take each other's values, even
// of one type. Thread-safe; values never move.
class Kept {
 public:
  template <class Value, class Make>
  const Value& get(int variant, Make&& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<const void>& held = values_[{std::type_index(typeid(Make)), variant}];
    if (!held) held = std::make_shared<const Value>(make());
    return *static_cast<const Value*>(held.get());
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::type_index, int>, std::shared_ptr<const void>> values_;
};

// Where to keep a value, if anywhere, and which variant its maker means.
struct KeptAs {
  Kept* kept = nullptr;
  int variant = 0;
};

// A value that is kept, or else lives as long as its scope.
template <class Value>
class KeptOr {
 public:
  template <class Make>
  KeptOr(const KeptAs& as, Make&& make) {
    value_ = as.kept ? &as.kept->get<Value>(as.variant, make) : &own_.emplace(make());
  }
  KeptOr(const KeptOr&) = delete;
  KeptOr& operator=(const KeptOr&) = delete;

  const Value& operator*() const { return *value_; }
  const Value* operator->() const { return value_; }

 private:
  std::optional<Value> own_;
  const Value* value_;
};

}  // namespace fastnn
