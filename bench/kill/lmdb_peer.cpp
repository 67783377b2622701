// LMDB: each worker opens the environment after the fork, clears out dead readers, and keeps one read transaction,
// which it renews. The map is large: what is written over takes new pages until a dead reader is cleared out. Nothing
// is synced, as it is a cache; the map is written by copy (no MDB_WRITEMAP), LMDB's default.
#include <lmdb.h>

#include <stdexcept>

#include "peer.hpp"

namespace {

constexpr std::size_t kMapBytes = std::size_t{1} << 30;

void check(int result) {
  if (result != MDB_SUCCESS) throw std::runtime_error(mdb_strerror(result));
}

MDB_val bytes_of(const std::string& text) { return {text.size(), const_cast<char*>(text.data())}; }

class LmdbPeer final : public Peer {
 public:
  [[nodiscard]] std::string version() const override {
    return std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." +
           std::to_string(MDB_VERSION_PATCH);
  }

  void prepare(const std::filesystem::path& directory) override { directory_ = directory; }

  void open() override {
    check(mdb_env_create(&environment_));
    check(mdb_env_set_mapsize(environment_, kMapBytes));
    check(mdb_env_open(environment_, directory_.c_str(), MDB_NOSYNC, 0600));
    int dead = 0;
    check(mdb_reader_check(environment_, &dead));
    MDB_txn* first = nullptr;
    check(mdb_txn_begin(environment_, nullptr, 0, &first));
    check(mdb_dbi_open(first, nullptr, 0, &table_));
    check(mdb_txn_commit(first));
    check(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reading_));
    mdb_txn_reset(reading_);
  }

  bool get(const std::string& key, std::string& value) override {
    MDB_val name = bytes_of(key);
    MDB_val found{};
    check(mdb_txn_renew(reading_));
    const int result = mdb_get(reading_, table_, &name, &found);
    if (result == MDB_SUCCESS) value.assign(static_cast<const char*>(found.mv_data), found.mv_size);
    mdb_txn_reset(reading_);
    if (result != MDB_NOTFOUND) check(result);
    return result == MDB_SUCCESS;
  }

  void set(const std::string& key, const std::string& value) override {
    MDB_val name = bytes_of(key);
    MDB_val stored = bytes_of(value);
    MDB_txn* writing = nullptr;
    check(mdb_txn_begin(environment_, nullptr, 0, &writing));
    if (const int result = mdb_put(writing, table_, &name, &stored, 0); result != MDB_SUCCESS) {
      mdb_txn_abort(writing);
      check(result);
    }
    check(mdb_txn_commit(writing));
  }

 private:
  std::filesystem::path directory_;
  MDB_env* environment_ = nullptr;
  MDB_txn* reading_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

std::unique_ptr<Peer> make_lmdb_peer() { return std::make_unique<LmdbPeer>(); }
