// Forklore: each worker opens the segment by its name.
#include <forklore/forklore.hpp>
#include <optional>
#include <stdexcept>

#include "peer.hpp"

namespace {

class ForklorePeer final : public Peer {
 public:
  [[nodiscard]] std::string version() const override { return FORKLORE_VERSION; }

  void prepare(const std::filesystem::path& directory) override { name_ = directory.filename(); }

  void open() override { cache_ = forklore::Cache::open({.name = name_, .capacity_bytes = kCapacity}); }

  bool get(const std::string& key, std::string& value) override { return succeeded(cache_->get(key, value)); }

  void set(const std::string& key, const std::string& value) override {
    if (!succeeded(cache_->set(key, value))) throw std::runtime_error("set found nothing");
  }

 private:
  static bool succeeded(forklore::Code code) {
    if (code != forklore::Code::ok && code != forklore::Code::not_found) {
      throw std::runtime_error(std::string(to_string(code)));
    }
    return code == forklore::Code::ok;
  }

  std::string name_;
  std::optional<forklore::Cache> cache_;
};

}  // namespace

std::unique_ptr<Peer> make_forklore_peer() { return std::make_unique<ForklorePeer>(); }
