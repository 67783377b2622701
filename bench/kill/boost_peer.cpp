// Boost.Interprocess: an unordered_map in a managed_shared_memory, one interprocess_mutex around it. Made before the
// fork and inherited.
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

#include "../boost_text.hpp"
#include "peer.hpp"

namespace {

namespace ipc = boost::interprocess;
using boost_text::Equal;
using boost_text::Hash;
using boost_text::Text;
using Map = boost_text::UnorderedMap;

class BoostPeer final : public Peer {
 public:
  [[nodiscard]] std::string version() const override { return boost_text::version(); }

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
