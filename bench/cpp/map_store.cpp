// The floor: a map of each worker's own, neither shared nor bounded, and never locked.
#include <unordered_map>

#include "rival.hpp"

namespace bench {
namespace {

class MapStore {
 public:
  static constexpr std::string_view kName = "unordered_map";
  static constexpr bool kPrivate = true;
  static std::string version() { return "of this compiler"; }
  static void prepare(const Site& /*site*/) {}
  static void remove(const Site& /*site*/) {}

  explicit MapStore(const Site& /*site*/) {}

  bool get(const std::string& key, std::string& value) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    value.assign(found->second);
    return true;
  }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    std::size_t hits = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) hits += get(keys[i], values[i]);
    return hits;
  }
  bool set(const std::string& key, const std::string& value) {
    entries_[key].assign(value);
    return true;
  }
  bool erase(const std::string& key) { return entries_.erase(key) != 0; }
  bool start_count(const std::string& key) { return counts_.emplace(key, 0).second; }
  bool increment(const std::string& key) {
    const auto found = counts_.find(key);
    if (found == counts_.end()) return false;
    ++found->second;
    return true;
  }

 private:
  std::unordered_map<std::string, std::string> entries_;
  std::unordered_map<std::string, std::int64_t> counts_;
};

}  // namespace

Entrant map_entrant() { return entrant<MapStore>(); }

}  // namespace bench
