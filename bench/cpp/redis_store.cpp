// Redis over a Unix socket, through hiredis: a connection a thread, and MGET for many keys.
#include <hiredis/hiredis.h>

#include <array>

#include "rival.hpp"

namespace bench {
namespace {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

class RedisStore {
 public:
  static constexpr std::string_view kName = "Redis";
  static constexpr bool kPrivate = false;
  static std::string version() {
    return "hiredis " + std::to_string(HIREDIS_MAJOR) + "." + std::to_string(HIREDIS_MINOR);
  }
  static void prepare(const Site& site) {
    static_cast<void>(RedisStore(site).ask(std::array{std::string("FLUSHALL")}));
  }
  static void remove(const Site& site) { prepare(site); }

  explicit RedisStore(const Site& site) : connection_(redisConnectUnix(site.redis.c_str())) {
    if (connection_ == nullptr || connection_->err != 0) throw std::runtime_error("Redis does not answer");
  }
  RedisStore(const RedisStore&) = delete;
  RedisStore& operator=(const RedisStore&) = delete;
  ~RedisStore() { redisFree(connection_); }

  bool get(const std::string& key, std::string& value) {
    const Reply reply = ask(std::array<std::string_view, 2>{"GET", key});
    if (reply->type != REDIS_REPLY_STRING) return false;
    value.assign(reply->str, reply->len);
    return true;
  }
  std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values) {
    many_.assign(1, "MGET");
    many_.insert(many_.end(), keys.begin(), keys.end());
    const Reply reply = ask(many_);
    std::size_t hits = 0;
    for (std::size_t i = 0; i < reply->elements; ++i) {
      const redisReply& one = *reply->element[i];
      if (one.type != REDIS_REPLY_STRING) continue;
      values[i].assign(one.str, one.len);
      ++hits;
    }
    return hits;
  }
  bool set(const std::string& key, const std::string& value) {
    return ask(std::array<std::string_view, 3>{"SET", key, value})->type == REDIS_REPLY_STATUS;
  }
  bool erase(const std::string& key) { return ask(std::array<std::string_view, 2>{"DEL", key})->integer == 1; }
  bool start_count(const std::string& key) { return set(key, "0"); }
  bool increment(const std::string& key) {
    return ask(std::array<std::string_view, 2>{"INCR", key})->type == REDIS_REPLY_INTEGER;
  }

 private:
  template <class Words>
  Reply ask(const Words& words) {
    pointers_.clear();
    sizes_.clear();
    for (const std::string_view word : words) {
      pointers_.push_back(word.data());
      sizes_.push_back(word.size());
    }
    const int count = static_cast<int>(pointers_.size());
    Reply reply(static_cast<redisReply*>(redisCommandArgv(connection_, count, pointers_.data(), sizes_.data())));
    if (reply == nullptr) throw std::runtime_error(connection_->errstr);
    if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(reply->str);
    return reply;
  }

  redisContext* connection_;
  std::vector<std::string_view> many_;
  std::vector<const char*> pointers_;
  std::vector<std::size_t> sizes_;
};

}  // namespace

Entrant redis_entrant() { return entrant<RedisStore>(); }

}  // namespace bench
