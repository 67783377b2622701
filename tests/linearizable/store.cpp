#include "linearizable/store.hpp"

#include <cstring>
#include <functional>
#include <map>
#include <utility>

namespace forklore::linearizable {
namespace {

/// Answers every eighth get from what the process read last.
class StaleReads : public Store {
 public:
  using Store::Store;
  Code get(std::string_view key, std::string& out, Found& found) override {
    Memory& memory = memories_[std::string(key)];
    if (++gets_ % 8 != 0) {
      memory.code = cache_.get(key, memory.value, &memory.found);
    }
    out = memory.value;
    found = memory.found;
    return memory.code;
  }

 private:
  struct Memory {
    Code code = Code::not_found;
    std::string value;
    Found found;
  };
  std::map<std::string, Memory> memories_;
  unsigned gets_ = 0;
};

/// Misses every 64th time, whether there is an entry or not.
class FalseMisses : public Store {
 public:
  using Store::Store;
  Code get(std::string_view key, std::string& out, Found& found) override {
    return ++gets_ % 64 == 0 ? Code::not_found : cache_.get(key, out, &found);
  }

 private:
  unsigned gets_ = 0;
};

/// Acknowledges every eighth set before it makes it, which it does at the next one.
class LateWrites : public Store {
 public:
  using Store::Store;
  Code set(std::string_view key, std::string_view value) override {
    if (!late_.first.empty()) static_cast<void>(cache_.set(late_.first, late_.second));
    late_.first.clear();
    if (++sets_ % 8 != 0) return cache_.set(key, value);
    late_ = {std::string(key), std::string(value)};
    return Code::ok;
  }

 private:
  std::pair<std::string, std::string> late_;
  unsigned sets_ = 0;
};

/// Counts by reading and then writing.
class LostUpdates : public Store {
 public:
  using Store::Store;
  Code increment(std::string_view key, std::int64_t delta, std::int64_t& sum,
                 std::optional<std::int64_t> initial) override {
    std::string value;
    Found found;
    if (cache_.get(key, value, &found) != Code::ok || found.format != kInteger) {
      return cache_.increment(key, delta, sum, initial);
    }
    std::memcpy(&sum, value.data(), sizeof sum);
    sum += delta;
    value.assign(reinterpret_cast<const char*>(&sum), sizeof sum);
    return cache_.set(key, value, kDefaultTtl, kInteger);
  }
};

/// Looks whether there is an entry, and then stores.
class DoubleAdds : public Store {
 public:
  using Store::Store;
  Code add(std::string_view key, std::string_view value) override {
    return cache_.contains(key) == Code::ok ? Code::exists : cache_.set(key, value);
  }
};

/// Compares, and then sets.
class CompareThenSet : public Store {
 public:
  using Store::Store;
  Code compare_and_set(std::string_view key, Version version, std::string_view value) override {
    std::string old;
    Found found;
    if (const Code code = cache_.get(key, old, &found); code != Code::ok) return code;
    return found.version == version ? cache_.set(key, value) : Code::changed;
  }
};

/// Says of every 64th erase that it was done, and leaves the entry.
class LostErases : public Store {
 public:
  using Store::Store;
  Code erase(std::string_view key) override { return ++erases_ % 64 == 0 ? cache_.contains(key) : cache_.erase(key); }

 private:
  unsigned erases_ = 0;
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Store>(Cache&)> make;
};
template <class T>
Kind kind(const char* name) {
  return {name, [](Cache& cache) { return std::make_unique<T>(cache); }};
}
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      kind<Store>("honest"),           kind<StaleReads>("stale-reads"),          kind<FalseMisses>("false-misses"),
      kind<LateWrites>("late-writes"), kind<LostUpdates>("lost-updates"),        kind<DoubleAdds>("double-adds"),
      kind<LostErases>("lost-erases"), kind<CompareThenSet>("compare-then-set"),
  };
  return all;
}

}  // namespace

const std::vector<std::string>& store_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Kind& k : kinds()) result.push_back(k.name);
    return result;
  }();
  return names;
}

std::unique_ptr<Store> make_store(std::string_view name, Cache& cache) {
  for (const Kind& k : kinds()) {
    if (k.name == name) return k.make(cache);
  }
  return nullptr;
}

}  // namespace forklore::linearizable
