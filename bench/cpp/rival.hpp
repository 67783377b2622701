// rival.hpp - What a store under test must offer, and how a workload calls it.
//
// A store is a class with these members, no virtual ones, so that each is called as its user would call it:
//
//   static constexpr std::string_view kName;  what the tables call it
//   static constexpr bool kPrivate;           each worker has one of its own, which it loads
//   static std::string version();
//   static void prepare(const Site&);         in the parent, before it forks: makes an empty one, if it is shared
//   static void remove(const Site&);          in the parent, when all is over
//   explicit Store(const Site&);              in each thread of each worker
//   bool get(const std::string& key, std::string& value);             whether it was there
//   std::size_t get_many(std::span<const std::string> keys, std::vector<std::string>& values);   how many were there
//   bool set(const std::string& key, const std::string& value);       whether it was stored
//   bool erase(const std::string& key);
//   bool start_count(const std::string& key);                         an integer of zero, for increment
//   bool increment(const std::string& key);
//
// All of them throw std::exception where something fails that should not.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "workload.hpp"

namespace bench {

/// Where the stores of a run live.
struct Site {
  std::filesystem::path directory;  // of this run alone, in shared memory; its name is nobody else's
  std::string memcached;            // sockets; empty: there is none
  std::string redis;
  std::size_t entry_bytes = 0;  // of all keys and values that a stage stores, with ample room
};

/// When a worker was at work on a round.
struct Span {
  std::chrono::steady_clock::time_point begin, end;
};

/// A store in a worker, one layer above the calls: a whole round goes through each virtual call.
class Rival {
 public:
  virtual ~Rival() = default;
  /// Stores the entries where that is the turn of shared stores (one worker does so for all) or of private ones.
  virtual void load(const Entries& entries, bool shared) = 0;
  /// So many calls, from where the last ones ended in the sequence; throws if one of them does not do what it should.
  virtual Span run(const Workload& workload, const std::vector<std::string>& sequence, std::size_t calls,
                   const std::string& value) = 0;
};

/// One of them, as the parent knows it.
struct Entrant {
  std::string_view name;
  std::string version;
  void (*prepare)(const Site&);
  void (*remove)(const Site&);
  std::unique_ptr<Rival> (*open)(const Site&);
};

Entrant forklore_entrant();
Entrant map_entrant();
Entrant boost_map_entrant();
Entrant boost_unordered_map_entrant();
Entrant lmdb_entrant();
Entrant memcached_entrant();
Entrant redis_entrant();

template <class Store>
class RivalOf final : public Rival {
 public:
  explicit RivalOf(const Site& site) : store_(site) {}

  void load(const Entries& entries, bool shared) override {
    if (shared == Store::kPrivate) return;
    std::string value(entries.value_bytes, 'v');
    for (std::size_t i = 0; i < entries.keys; ++i) {
      const std::string key = key_name("key", i);
      value.replace(0, std::min(value.size(), key.size()), key, key.size() - std::min(value.size(), key.size()));
      if (!store_.set(key, value)) throw std::runtime_error("cannot store " + key);
    }
    for (std::size_t i = 0; i < kHotKeys; ++i) {
      if (!store_.start_count(key_name("cnt", i))) throw std::runtime_error("cannot store an integer");
    }
    check(entries);
  }

  Span run(const Workload& workload, const std::vector<std::string>& sequence, std::size_t calls,
           const std::string& value) override {
    switch (workload.kind) {
      case Kind::get:
        return timed(sequence, calls, [&](const std::string& key) { return store_.get(key, out_); });
      case Kind::miss:
        return timed(sequence, calls, [&](const std::string& key) { return !store_.get(key, out_); });
      case Kind::overwrite:
        return timed(sequence, calls, [&](const std::string& key) { return store_.set(key, value); });
      case Kind::increment:
        return timed(sequence, calls, [&](const std::string& key) { return store_.increment(key); });
      case Kind::mixed:
        return timed(sequence, calls, [&, turn = 0](const std::string& key) mutable {
          if (++turn != 10) return store_.get(key, out_);
          turn = 0;
          return store_.set(key, value);
        });
      case Kind::set: {
        place_ = 0;
        const Span span = timed(sequence, calls, [&](const std::string& key) { return store_.set(key, value); });
        for (std::size_t i = 0; i < calls; ++i) store_.erase(sequence[i]);
        return span;
      }
      case Kind::get_many:
        return timed_many(sequence, calls, workload.batch);
    }
    throw std::logic_error("no such workload");
  }

 private:
  using Clock = std::chrono::steady_clock;

  template <class Call>
  Span timed(const std::vector<std::string>& sequence, std::size_t calls, Call call) {
    std::size_t failed = 0;
    std::size_t at = place_ % sequence.size();
    place_ = at + calls;
    const auto begin = Clock::now();
    for (std::size_t left = calls; left > 0;) {
      const std::size_t part = std::min(left, sequence.size() - at);
      for (const std::string& key : std::span(sequence).subspan(at, part)) failed += !call(key);
      at = 0;
      left -= part;
    }
    return finish(begin, failed);
  }

  Span timed_many(const std::vector<std::string>& sequence, std::size_t calls, std::size_t batch) {
    std::size_t failed = 0;
    std::size_t at = place_ % sequence.size();
    many_.resize(batch);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < calls; ++i) {
      if (at + batch > sequence.size()) at = 0;
      failed += batch - store_.get_many(std::span(sequence).subspan(at, batch), many_);
      at += batch;
    }
    place_ = at;
    return finish(begin, failed);
  }

  static Span finish(Clock::time_point begin, std::size_t failed) {
    const Span span{begin, Clock::now()};
    if (failed != 0) throw std::runtime_error(std::to_string(failed) + " calls did not find or store what they should");
    return span;
  }

  /// That what was stored is what comes back, by both ways of reading.
  void check(const Entries& entries) {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < 10; ++i) keys.push_back(key_name("key", i * (entries.keys / 10)));
    many_.resize(keys.size());
    if (store_.get_many(keys, many_) != keys.size()) throw std::runtime_error("a key is missing");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const bool there = store_.get(keys[i], out_) && out_ == many_[i] && out_.size() == entries.value_bytes;
      const std::size_t tail = std::min(out_.size(), keys[i].size());
      if (!there || !std::string_view(out_).starts_with(keys[i].substr(keys[i].size() - tail))) {
        throw std::runtime_error("another value came back than was stored under " + keys[i]);
      }
    }
  }

  Store store_;
  std::string out_;
  std::vector<std::string> many_;
  std::size_t place_ = 0;
};

template <class Store>
Entrant entrant() {
  return {Store::kName, Store::version(), Store::prepare, Store::remove,
          [](const Site& site) -> std::unique_ptr<Rival> { return std::make_unique<RivalOf<Store>>(site); }};
}

}  // namespace bench
