// memcached over a Unix socket, through libmemcached: a connection a thread, and one request for many keys.
#include <libmemcached/memcached.h>

#include <cstdlib>

#include "rival.hpp"

namespace bench {
namespace {

class MemcachedStore {
 public:
  static constexpr std::string_view kName = "memcached";
  static constexpr bool kPrivate = false;
  static std::string version() { return std::string("libmemcached ") + LIBMEMCACHED_VERSION_STRING; }
  static void prepare(const Site& site) { MemcachedStore(site).flush(); }
  static void remove(const Site& site) { prepare(site); }

  explicit MemcachedStore(const Site& site) : result_(connection()) {
    check(memcached_server_add_unix_socket(connection(), site.memcached.c_str()));
  }
  MemcachedStore(const MemcachedStore&) = delete;
  MemcachedStore& operator=(const MemcachedStore&) = delete;
  ~MemcachedStore() = default;

  bool get(const std::string& key, std::string& value) {
    std::size_t size = 0;
    std::uint32_t flags = 0;
    memcached_return_t code{};
    char* const found = memcached_get(connection(), key.data(), key.size(), &size, &flags, &code);
    if (code == MEMCACHED_NOTFOUND) return false;
    check(code);
    value.assign(found == nullptr ? "" : found, size);
    std::free(found);
    return true;
  }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    names_.clear();
    sizes_.clear();
    for (const std::string& key : keys) {
      names_.push_back(key.data());
      sizes_.push_back(key.size());
    }
    check(memcached_mget(connection(), names_.data(), sizes_.data(), keys.size()));
    std::size_t hits = 0;
    memcached_return_t code{};
    while (memcached_result_st* const found = memcached_fetch_result(connection(), &result_.it, &code)) {
      values[hits++].assign(memcached_result_value(found), memcached_result_length(found));
    }
    return hits;
  }
  bool set(const std::string& key, const std::string& value) {
    check(memcached_set(connection(), key.data(), key.size(), value.data(), value.size(), 0, 0));
    return true;
  }
  bool erase(const std::string& key) {
    return memcached_delete(connection(), key.data(), key.size(), 0) == MEMCACHED_SUCCESS;
  }
  bool start_count(const std::string& key) { return set(key, "0"); }
  bool increment(const std::string& key) {
    std::uint64_t now = 0;
    return memcached_increment(connection(), key.data(), key.size(), 1, &now) == MEMCACHED_SUCCESS;
  }

 private:
  struct Result {
    explicit Result(memcached_st* connection) { memcached_result_create(connection, &it); }
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    ~Result() { memcached_result_free(&it); }
    memcached_result_st it;
  };

  void check(memcached_return_t code) {
    if (code != MEMCACHED_SUCCESS) throw std::runtime_error(memcached_strerror(connection(), code));
  }
  void flush() { check(memcached_flush(connection(), 0)); }

  memcached_st* connection() { return connection_.get(); }

  std::unique_ptr<memcached_st, decltype(&memcached_free)> connection_{memcached_create(nullptr), &memcached_free};
  Result result_;  // has a pointer to the connection, and so goes before it
  std::vector<const char*> names_;
  std::vector<std::size_t> sizes_;
};

}  // namespace

Entrant memcached_entrant() { return entrant<MemcachedStore>(); }

}  // namespace bench
