// store.hpp - The calls of a cache as the recorded processes make them, and stores that are broken on purpose, each in
// a way that a cache could be: a checker that does not see these proves nothing.
#pragma once

#include <forklore/forklore.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace forklore::linearizable {

class Store {
 public:
  explicit Store(Cache& cache) : cache_(cache) {}
  virtual ~Store() = default;
  virtual Code get(std::string_view key, std::string& out, Found& found) { return cache_.get(key, out, &found); }
  virtual Code set(std::string_view key, std::string_view value) { return cache_.set(key, value); }
  virtual Code add(std::string_view key, std::string_view value) { return cache_.add(key, value); }
  virtual Code replace(std::string_view key, std::string_view value) { return cache_.replace(key, value); }
  virtual Code increment(std::string_view key, std::int64_t delta, std::int64_t& sum,
                         std::optional<std::int64_t> initial) {
    return cache_.increment(key, delta, sum, initial);
  }
  virtual Code compare_and_set(std::string_view key, Version version, std::string_view value) {
    return cache_.compare_and_set(key, version, value);
  }
  virtual Code erase(std::string_view key) { return cache_.erase(key); }

 protected:
  Cache& cache_;
};

/// The names that make_store takes, "honest" first.
const std::vector<std::string>& store_names();
/// nullptr if there is none of that name.
std::unique_ptr<Store> make_store(std::string_view name, Cache& cache);

}  // namespace forklore::linearizable
