// Boost.Interprocess: an unordered_map in a managed_shared_memory with one interprocess_mutex around it. Keys are
// looked up as they are, with no string made in shared memory for it; a value is assigned to where the old one lies.
#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <cstring>

#include "../boost_text.hpp"
#include "rival.hpp"

namespace bench {
namespace {

namespace ipc = boost::interprocess;
using boost_text::Allocator;
using boost_text::Equal;
using boost_text::Hash;
using boost_text::Text;

struct Less {
  using is_transparent = void;
  template <class One, class Other>
  bool operator()(const One& one, const Other& other) const {
    return boost_text::view(one) < boost_text::view(other);
  }
};
struct Tree {
  static constexpr std::string_view kName = "Boost map";
  using Map = ipc::map<Text, Text, Less, Allocator>;
  static void make(ipc::managed_shared_memory& memory) {
    memory.construct<Map>("map")(Less(), memory.get_segment_manager());
  }
  static Map::iterator find(Map& map, std::string_view key) { return map.find(key); }
};
struct Hashed {
  static constexpr std::string_view kName = "Boost unordered_map";
  using Map = boost_text::UnorderedMap;
  static void make(ipc::managed_shared_memory& memory) {
    memory.construct<Map>("map")(std::size_t{2000}, Hash(), Equal(), memory.get_segment_manager());
  }
  static Map::iterator find(Map& map, std::string_view key) { return map.find(key, Hash(), Equal()); }
};
using Lock = ipc::scoped_lock<ipc::interprocess_mutex>;

template <class Container>
class BoostStore {
  using Map = typename Container::Map;
  static std::string name_of(const Site& site) {
    return site.directory.filename().string() + (Container::kName == Tree::kName ? ".tree" : ".hashed");
  }

 public:
  static constexpr std::string_view kName = Container::kName;
  static constexpr bool kPrivate = false;
  static std::string version() { return boost_text::version(); }
  static void prepare(const Site& site) {
    ipc::managed_shared_memory memory(ipc::create_only, name_of(site).c_str(), 2 * site.entry_bytes);
    memory.construct<ipc::interprocess_mutex>("mutex")();
    Container::make(memory);
  }
  static void remove(const Site& site) { ipc::shared_memory_object::remove(name_of(site).c_str()); }

  explicit BoostStore(const Site& site)
      : memory_(ipc::open_only, name_of(site).c_str()),
        mutex_(memory_.find<ipc::interprocess_mutex>("mutex").first),
        map_(memory_.find<Map>("map").first) {
    if (mutex_ == nullptr || map_ == nullptr) throw std::runtime_error("Boost's map is not there");
  }

  bool get(const std::string& key, std::string& value) {
    const Lock lock(*mutex_);
    return read(key, value);
  }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    const Lock lock(*mutex_);
    std::size_t hits = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) hits += read(keys[i], values[i]);
    return hits;
  }
  bool set(const std::string& key, const std::string& value) {
    const Lock lock(*mutex_);
    const auto found = find(key);
    if (found != map_->end()) {
      found->second.assign(value.data(), value.size());
    } else {
      const auto allocator = memory_.get_allocator<char>();
      map_->emplace(Text(key.data(), key.size(), allocator), Text(value.data(), value.size(), allocator));
    }
    return true;
  }
  bool erase(const std::string& key) {
    const Lock lock(*mutex_);
    const auto found = find(key);
    if (found == map_->end()) return false;
    map_->erase(found);
    return true;
  }
  bool start_count(const std::string& key) { return set(key, std::string(sizeof(std::int64_t), '\0')); }
  bool increment(const std::string& key) {
    const Lock lock(*mutex_);
    const auto found = find(key);
    if (found == map_->end()) return false;
    std::int64_t now = 0;
    std::memcpy(&now, found->second.data(), sizeof now);
    ++now;
    std::memcpy(found->second.data(), &now, sizeof now);
    return true;
  }

 private:
  auto find(std::string_view key) { return Container::find(*map_, key); }
  bool read(const std::string& key, std::string& value) {
    const auto found = find(key);
    if (found == map_->end()) return false;
    value.assign(found->second.data(), found->second.size());
    return true;
  }

  ipc::managed_shared_memory memory_;
  ipc::interprocess_mutex* mutex_;
  Map* map_;
};

}  // namespace

Entrant boost_map_entrant() { return entrant<BoostStore<Tree>>(); }
Entrant boost_unordered_map_entrant() { return entrant<BoostStore<Hashed>>(); }

}  // namespace bench
