// Boost.Interprocess: an unordered_map in a managed_shared_memory, one interprocess_mutex around it. Made before the
// fork and inherited.
#include <boost/functional/hash.hpp>
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>
#include <boost/version.hpp>
#include <functional>
#include <string_view>
#include <utility>

#include "peer.hpp"

namespace {

namespace ipc = boost::interprocess;
using Memory = ipc::managed_shared_memory::segment_manager;
using Text = ipc::basic_string<char, std::char_traits<char>, ipc::allocator<char, Memory>>;

std::string_view view(const Text& text) { return {text.data(), text.size()}; }
std::string_view view(std::string_view text) { return text; }

struct Hash {
  template <typename Any>
  std::size_t operator()(const Any& text) const {
    return std::hash<std::string_view>()(view(text));
  }
};

struct Equal {
  template <typename One, typename Other>
  bool operator()(const One& one, const Other& other) const {
    return view(one) == view(other);
  }
};

using Map = boost::unordered_map<Text, Text, Hash, Equal, ipc::allocator<std::pair<const Text, Text>, Memory>>;

class BoostPeer final : public Peer {
 public:
  [[nodiscard]] std::string version() const override {
    return std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000);
  }

  void prepare(const std::filesystem::path& directory) override {
    memory_ =
        ipc::managed_shared_memory(ipc::create_only, (directory.filename().string() + ".boost").c_str(), kCapacity);
    mutex_ = memory_.construct<ipc::interprocess_mutex>("mutex")();
    map_ = memory_.construct<Map>("map")(std::size_t{2000}, Hash(), Equal(), memory_.get_segment_manager());
  }

  void open() override {}

  bool get(const std::string& key, std::string& value) override {
    const ipc::scoped_lock<ipc::interprocess_mutex> lock(*mutex_);
    const auto found = map_->find(std::string_view(key), Hash(), Equal());
    if (found == map_->end()) return false;
    value.assign(found->second.data(), found->second.size());
    return true;
  }

  void set(const std::string& key, const std::string& value) override {
    const ipc::scoped_lock<ipc::interprocess_mutex> lock(*mutex_);
    const auto found = map_->find(std::string_view(key), Hash(), Equal());
    if (found != map_->end()) {
      found->second.assign(value.data(), value.size());
      return;
    }
    const auto allocator = memory_.get_allocator<char>();
    map_->emplace(Text(key.data(), key.size(), allocator), Text(value.data(), value.size(), allocator));
  }

 private:
  ipc::managed_shared_memory memory_;
  ipc::interprocess_mutex* mutex_ = nullptr;
  Map* map_ = nullptr;
};

}  // namespace

std::unique_ptr<Peer> make_boost_peer() { return std::make_unique<BoostPeer>(); }
