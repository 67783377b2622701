// peer.hpp - What the storm calls: one way of sharing entries among processes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

class Peer {
 public:
  virtual ~Peer() = default;
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] virtual std::string version() const = 0;
  /// In the parent, before it forks. directory: of this run alone, in shared memory; its name is nobody else's. All of
  /// these throw std::exception when they fail.
  virtual void prepare(const std::filesystem::path& directory) = 0;
  /// In each worker.
  virtual void open() = 0;
  /// Whether there is a value.
  virtual bool get(const std::string& key, std::string& value) = 0;
  virtual void set(const std::string& key, const std::string& value) = 0;
};

inline constexpr std::size_t kCapacity = std::size_t{64} << 20;  // some fifty times what is stored

std::unique_ptr<Peer> make_boost_peer();
std::unique_ptr<Peer> make_forklore_peer();
std::unique_ptr<Peer> make_lmdb_peer();
