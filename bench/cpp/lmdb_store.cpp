// LMDB in shared memory: one environment a process, one read transaction a thread, which is renewed for each call.
// Nothing is synced, as it is a cache, and the map is written in place: the fastest that it can be told to be.
#include <lmdb.h>

#include <cstring>
#include <map>
#include <mutex>

#include "rival.hpp"

namespace bench {
namespace {

void check(int result) {
  if (result != MDB_SUCCESS) throw std::runtime_error(mdb_strerror(result));
}
MDB_val bytes_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
std::filesystem::path path_of(const Site& site) { return site.directory / "lmdb"; }

struct Environment {
  MDB_env* handle = nullptr;
  MDB_dbi table = 0;
};

/// The process's own: LMDB forbids a second one on the same path.
Environment& environment(const Site& site) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, Environment> opened;
  const std::lock_guard lock(mutex);
  Environment& one = opened[path_of(site)];
  if (one.handle == nullptr) {
    check(mdb_env_create(&one.handle));
    check(mdb_env_set_mapsize(one.handle, 3 * site.entry_bytes));
    check(
        mdb_env_open(one.handle, path_of(site).c_str(), MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_NOTLS, 0600));
    MDB_txn* first = nullptr;
    check(mdb_txn_begin(one.handle, nullptr, 0, &first));
    check(mdb_dbi_open(first, nullptr, 0, &one.table));
    check(mdb_txn_commit(first));
  }
  return one;
}

class LmdbStore {
 public:
  static constexpr std::string_view kName = "LMDB";
  static constexpr bool kPrivate = false;
  static std::string version() {
    return std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." +
           std::to_string(MDB_VERSION_PATCH);
  }
  static void prepare(const Site& site) { std::filesystem::create_directory(path_of(site)); }
  static void remove(const Site& site) { std::filesystem::remove_all(path_of(site)); }

  explicit LmdbStore(const Site& site) : environment_(environment(site)) {
    check(mdb_txn_begin(environment_.handle, nullptr, MDB_RDONLY, &reading_));
    mdb_txn_reset(reading_);
  }
  LmdbStore(const LmdbStore&) = delete;
  LmdbStore& operator=(const LmdbStore&) = delete;
  ~LmdbStore() { mdb_txn_abort(reading_); }

  bool get(const std::string& key, std::string& value) {
    check(mdb_txn_renew(reading_));
    const bool there = read(key, value);
    mdb_txn_reset(reading_);
    return there;
  }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    check(mdb_txn_renew(reading_));
    std::size_t hits = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) hits += read(keys[i], values[i]);
    mdb_txn_reset(reading_);
    return hits;
  }
  bool set(const std::string& key, const std::string& value) {
    return write([&](MDB_txn* writing) {
      MDB_val name = bytes_of(key);
      MDB_val stored = bytes_of(value);
      return mdb_put(writing, environment_.table, &name, &stored, 0);
    });
  }
  bool erase(const std::string& key) {
    return write([&](MDB_txn* writing) {
      MDB_val name = bytes_of(key);
      return mdb_del(writing, environment_.table, &name, nullptr);
    });
  }
  bool start_count(const std::string& key) { return set(key, std::string(sizeof(std::int64_t), '\0')); }
  bool increment(const std::string& key) {
    return write([&](MDB_txn* writing) {
      MDB_val name = bytes_of(key);
      MDB_val found{};
      if (const int result = mdb_get(writing, environment_.table, &name, &found); result != MDB_SUCCESS) return result;
      std::int64_t now = 0;
      std::memcpy(&now, found.mv_data, sizeof now);
      ++now;
      MDB_val stored{sizeof now, &now};
      return mdb_put(writing, environment_.table, &name, &stored, 0);
    });
  }

 private:
  bool read(const std::string& key, std::string& value) {
    MDB_val name = bytes_of(key);
    MDB_val found{};
    const int result = mdb_get(reading_, environment_.table, &name, &found);
    if (result == MDB_NOTFOUND) return false;
    check(result);
    value.assign(static_cast<const char*>(found.mv_data), found.mv_size);
    return true;
  }
  template <class Change>
  bool write(Change change) {
    MDB_txn* writing = nullptr;
    check(mdb_txn_begin(environment_.handle, nullptr, 0, &writing));
    const int result = change(writing);
    if (result != MDB_SUCCESS) {
      mdb_txn_abort(writing);
      if (result != MDB_NOTFOUND) check(result);
      return false;
    }
    check(mdb_txn_commit(writing));
    return true;
  }

  Environment& environment_;
  MDB_txn* reading_ = nullptr;
};

}  // namespace

Entrant lmdb_entrant() { return entrant<LmdbStore>(); }

}  // namespace bench
