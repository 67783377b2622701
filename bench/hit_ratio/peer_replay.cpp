// peer_replay.cpp - Plays a request trace at a running memcached or Redis over its Unix socket, as replay.cpp does at a
// segment, and prints what was missed.
//
// Redis decides each request by itself, in a script, so that many are on their way and each has the outcome that it
// would have alone. At memcached a window of requests is asked for at once and what it lacks is then stored; a window
// ends before a key comes again. So a request may still find what a store of the same window, at most that many
// requests before it, would have evicted.
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <libmemcached/memcached.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "trace.hpp"

namespace {

using bench::Misses;
using bench::Request;
using bench::Trace;

constexpr char kUsage[] =
    "usage: xz -dc TRACE.csv.xz | %s [--scale N] [--window N] memcached|redis SOCKET\n"
    "Prints a line of JSON.\n"
    "  --scale N   values are N times as large as the trace says (default 1)\n"
    "  --window N  requests that are on their way at once (default 64)\n";

struct Plan {
  std::uint32_t scale = 1;
  std::size_t window = 64;
  std::string socket;
};

struct Outcome {
  Misses misses;
  unsigned long long used = 0, evictions = 0, entries = 0;
};

std::uint64_t size_of(const Request& request, const Plan& plan) {
  return std::uint64_t{request.value_size} * plan.scale;
}
/// What is stored for it: not nothing, which Redis' STRLEN does not tell from no value and libmemcached cannot read.
std::uint64_t stored_size_of(const Request& request, const Plan& plan) {
  return std::max<std::uint64_t>(size_of(request, plan), 1);
}

class Memcached {
 public:
  explicit Memcached(const Plan& plan) : plan_(plan), server_(memcached_create(nullptr), memcached_free) {
    check(memcached_server_add_unix_socket(server_.get(), plan.socket.c_str()));
    for (const memcached_behavior_t behavior : {MEMCACHED_BEHAVIOR_NOREPLY, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS}) {
      check(memcached_behavior_set(server_.get(), behavior, 1));
    }
  }

  Outcome play(const Trace& trace) {
    const std::string bytes(std::max<std::size_t>(std::size_t{trace.largest_value()} * plan_.scale, 1), 'v');
    Outcome outcome;
    for (const Request& r : trace.requests()) {
      if (window_.size() == plan_.window || window_.contains(r.key)) ask(bytes, outcome.misses);
      auto& [text, request, found] = window_[r.key];
      bench::write_key(r, text);
      request = r;
      order_.push_back(r.key);
    }
    ask(bytes, outcome.misses);
    memcached_return_t code{};
    const std::unique_ptr<memcached_stat_st, void (*)(memcached_stat_st*)> stats(
        memcached_stat(server_.get(), nullptr, &code), [](memcached_stat_st* s) { memcached_stat_free(nullptr, s); });
    check(code);
    outcome.used = stats->bytes;
    outcome.evictions = stats->evictions;
    outcome.entries = stats->curr_items;
    return outcome;
  }

 private:
  struct Asked {
    std::string text;
    Request request{};
    bool found = false;
  };

  void ask(const std::string& bytes, Misses& misses) {
    std::vector<const char*> names;
    std::vector<std::size_t> sizes;
    for (const std::uint32_t key : order_) {
      names.push_back(window_[key].text.data());
      sizes.push_back(window_[key].text.size());
    }
    check(memcached_mget(server_.get(), names.data(), sizes.data(), names.size()));
    memcached_return_t code{};
    while (memcached_result_st* const found = memcached_fetch_result(server_.get(), nullptr, &code)) {
      std::uint32_t key = 0;
      const char* const text = memcached_result_key_value(found);
      std::from_chars(text, text + memcached_result_key_length(found), key);
      window_.at(key).found = true;
    }
    for (const std::uint32_t key : order_) {
      const auto& [text, request, found] = window_[key];
      misses.count(size_of(request, plan_), found);
      if (found) continue;
      code = memcached_set(server_.get(), text.data(), text.size(), bytes.data(), stored_size_of(request, plan_),
                           request.ttl, 0);
      if (code != MEMCACHED_BUFFERED) check(code);
    }
    check(memcached_flush_buffers(server_.get()));
    window_.clear();
    order_.clear();
  }
  void check(memcached_return_t code) {
    if (code != MEMCACHED_SUCCESS) throw std::runtime_error(memcached_strerror(server_.get(), code));
  }

  const Plan& plan_;
  std::unique_ptr<memcached_st, decltype(&memcached_free)> server_;
  std::unordered_map<std::uint32_t, Asked> window_;
  std::vector<std::uint32_t> order_;
};

class Redis {
 public:
  explicit Redis(const Plan& plan) : plan_(plan), server_(redisConnectUnix(plan.socket.c_str()), redisFree) {
    if (server_ == nullptr || server_->err != 0) throw std::runtime_error("Redis does not answer at " + plan.socket);
  }

  Outcome play(const Trace& trace) {
    // The value is made where it is stored: none lies in a buffer of the connection, which Redis would count as used.
    send({"SCRIPT", "LOAD",
          "if redis.call('STRLEN', KEYS[1]) > 0 then return 1 end "
          "local value, size = 'v', tonumber(ARGV[1]) "
          "while #value < size do value = value .. value end "
          "redis.call('SET', KEYS[1], string.sub(value, 1, size), unpack(ARGV, 2)) return 0"});
    const std::string script = answer()->str;
    Outcome outcome;
    const std::vector<Request>& requests = trace.requests();
    std::string key;
    for (std::size_t sent = 0, answered = 0; answered < requests.size(); ++answered) {
      for (; sent < requests.size() && sent < answered + plan_.window; ++sent) {
        bench::write_key(requests[sent], key);
        const std::string size = std::to_string(stored_size_of(requests[sent], plan_));
        const std::string ttl = std::to_string(requests[sent].ttl);
        if (requests[sent].ttl == 0) {
          send({"EVALSHA", script, "1", key, size});
        } else {
          send({"EVALSHA", script, "1", key, size, "EX", ttl});
        }
      }
      outcome.misses.count(size_of(requests[answered], plan_), answer()->integer == 1);
    }
    send({"INFO"});
    const std::string info = answer()->str;
    outcome.used = field(info, "used_memory:");
    outcome.evictions = field(info, "evicted_keys:");
    send({"DBSIZE"});
    outcome.entries = static_cast<unsigned long long>(answer()->integer);
    return outcome;
  }

 private:
  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };

  void send(std::initializer_list<std::string_view> words) {
    std::array<const char*, 8> texts{};
    std::array<std::size_t, 8> sizes{};
    int n = 0;
    for (const std::string_view word : words) {
      texts[static_cast<std::size_t>(n)] = word.data();
      sizes[static_cast<std::size_t>(n++)] = word.size();
    }
    if (redisAppendCommandArgv(server_.get(), n, texts.data(), sizes.data()) != REDIS_OK) fail();
  }
  std::unique_ptr<redisReply, Free> answer() {
    void* reply = nullptr;
    if (redisGetReply(server_.get(), &reply) != REDIS_OK) fail();
    std::unique_ptr<redisReply, Free> owned(static_cast<redisReply*>(reply));
    if (owned->type == REDIS_REPLY_ERROR) throw std::runtime_error(owned->str);
    return owned;
  }
  [[noreturn]] void fail() const { throw std::runtime_error(server_->errstr); }
  static unsigned long long field(const std::string& info, std::string_view name) {
    const std::size_t at = info.find(name);
    return at == std::string::npos ? 0 : std::strtoull(info.c_str() + at + name.size(), nullptr, 10);
  }

  const Plan& plan_;
  std::unique_ptr<redisContext, decltype(&redisFree)> server_;
};

int usage(const char* program, int status) {
  std::fprintf(status == 0 ? stdout : stderr, kUsage, program);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const option options[] = {{"scale", required_argument, nullptr, 's'},
                            {"window", required_argument, nullptr, 'w'},
                            {"help", no_argument, nullptr, 'h'},
                            {}};
  Plan plan;
  for (int given; (given = getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    if (given == 'h') return usage(argv[0], 0);
    if (given == '?') return usage(argv[0], 2);
    const double number = bench::positive_number(optarg);
    if (number < 1 || number > 1e6 || number != std::floor(number)) return usage(argv[0], 2);
    if (given == 's') plan.scale = static_cast<std::uint32_t>(number);
    if (given == 'w') plan.window = static_cast<std::size_t>(number);
  }
  const std::string_view server = optind < argc ? argv[optind] : "";
  if (argc - optind != 2 || (server != "memcached" && server != "redis")) return usage(argv[0], 2);
  plan.socket = argv[optind + 1];
  try {
    std::ios::sync_with_stdio(false);
    const Trace trace(std::cin);
    const Outcome o = server == "redis" ? Redis(plan).play(trace) : Memcached(plan).play(trace);
    std::printf(
        "{\"object_misses\": %.5f, \"byte_misses\": %.5f, \"used\": %llu, \"evictions\": %llu, \"entries\": %llu}\n",
        o.misses.object_ratio(), o.misses.byte_ratio(), o.used, o.evictions, o.entries);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 2;
  }
}
