// Forklore, as it is opened by a worker that knows its name.
#include <array>
#include <forklore/forklore.hpp>

#include "rival.hpp"

namespace bench {
namespace {

std::string name_of(const Site& site) { return site.directory.filename().string(); }

class ForkloreStore {
 public:
  static constexpr std::string_view kName = "Forklore";
  static constexpr bool kPrivate = false;
  static std::string version() { return FORKLORE_VERSION; }
  static void prepare(const Site& site) {
    static_cast<void>(forklore::Cache::open(
        {.name = name_of(site), .capacity_bytes = site.entry_bytes, .when_full = forklore::WhenFull::reject}));
  }
  static void remove(const Site& site) { static_cast<void>(forklore::remove_segment(name_of(site))); }

  explicit ForkloreStore(const Site& site) : cache_(forklore::Cache::attach(name_of(site))) {}

  bool get(const std::string& key, std::string& value) { return cache_.get(key, value) == forklore::Code::ok; }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    keys_.assign(keys.begin(), keys.end());
    found_.resize(keys.size());
    codes_.resize(keys.size());
    const forklore::Sink sink{&values,
                              [](void* context, std::size_t index, const forklore::Found& found) -> forklore::Into {
                                std::string& value = (*static_cast<std::vector<std::string>*>(context))[index];
                                value.resize(found.size);
                                return value.data();
                              }};
    return cache_.get_many_to(keys_, sink, found_, codes_);
  }
  bool set(const std::string& key, const std::string& value) { return cache_.set(key, value) == forklore::Code::ok; }
  bool erase(const std::string& key) { return cache_.erase(key) == forklore::Code::ok; }
  bool start_count(const std::string& key) {
    std::int64_t now = 0;
    return cache_.increment(key, 0, now, 0) == forklore::Code::ok;
  }
  bool increment(const std::string& key) {
    std::int64_t now = 0;
    return cache_.increment(key, 1, now) == forklore::Code::ok;
  }

 private:
  forklore::Cache cache_;
  std::vector<std::string_view> keys_;
  std::vector<forklore::Found> found_;
  std::vector<forklore::Code> codes_;
};

}  // namespace

Entrant forklore_entrant() { return entrant<ForkloreStore>(); }

}  // namespace bench
