// One segment and two users of the host: who may open it, who may change it, and what is left to those who may not.
#include <doctest/doctest.h>
#include <grp.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "child.hpp"
#include "process/waiting.hpp"
#include "refusal.hpp"
#include "session/naming.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::comes_true;
using tests::Refusal;
using tests::refusal;
using tests::UniqueName;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

bool is_root() {
  if (::geteuid() == 0) return true;
  MESSAGE("skipped: only root can be two users");
  return false;
}

/// What body answers in a process of user 1 in the group of root; -1 if it failed otherwise.
template <class Body>
int as_other_user(Body body) {
  return Child([&] {
           if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(1, 1, 1) != 0) return 99;
           return body();
         })
      .join();
}

/// Whether opening is refused in these words; else prints those it gives.
bool refused(const Options& options, std::string_view part) {
  const Refusal refused = refusal(options);
  if (refused.has(part)) return true;
  std::fprintf(stderr, "\"%s\" does not say \"%s\"\n", refused.says.c_str(), std::string(part).c_str());
  return false;
}
bool opened(const Options& options) { return refusal(options).says.empty(); }

std::mutex log_mutex;
std::string log_lines;
void log_to_memory(std::string_view line) {
  const std::lock_guard lock(log_mutex);
  log_lines += std::string(line) + "\n";
}
std::size_t lines_with(std::string_view part) {
  const std::lock_guard lock(log_mutex);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = log_lines.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

}  // namespace

TEST_CASE("another user opens it by owner and mode, not by owner alone") {
  if (!is_root()) return;
  UniqueName name;
  Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .mode = 0660});
  REQUIRE(made.set("key", "value") == Code::ok);
  CHECK(as_other_user([&] {
          const Options owner_alone{.name = name, .owner = 0};
          const Options both{.name = name, .mode = 0660, .owner = 0};
          bool good = refused(owner_alone, "others may read or write it: its mode is 0660");
          good &= opened({.name = name, .mode = 0660});  // its own of that name
          remove_segment(name.str());
          Cache attached = Cache::attach(both);
          good &= attached.get("key") == "value" && attached.set("from", "user 1") == Code::ok;
          good &= refused(owner_alone, "others may read or write it");  // also where it is mapped already
          return good ? 0 : 1;
        }) == 0);
  CHECK(made.get("from") == "user 1");
}

TEST_CASE("the mode is asked of every handle, in the maker's process too") {
  UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .mode = 0640});
  CHECK(refused({.name = name},
                "mode: others may read or write it: its mode is 0640, and 0600 does not allow that; give mode = 0640"));
  CHECK_THROWS_AS(static_cast<void>(Cache::attach(name.str())), OpenError);
  CHECK(opened({.name = name, .mode = 0640}));
  CHECK_NOTHROW(static_cast<void>(Cache::attach(Options{.name = name, .mode = 0660})));
}

TEST_CASE("another user cannot give a segment another capacity, and leaves nothing that keeps its owner from it") {
  if (!is_root()) return;
  UniqueName name;
  Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .mode = 0660});
  REQUIRE(made.set("key", "value") == Code::ok);
  CHECK(as_other_user([&] {
          return refused(
                     {.name = name, .capacity_bytes = 2 * MiB, .mode = 0660, .owner = 0},
                     "capacity_bytes: 2 MiB (2097152) is asked for, and 1 MiB (1048576) is there; only its owner, user "
                     "0, can replace it")
                     ? 0
                     : 1;
        }) == 0);
  CHECK_FALSE(fs::exists(session::successor_of(made.path())));
  CHECK(made.get("key") == "value");
  Cache larger = Cache::open({.name = name, .capacity_bytes = 2 * MiB, .mode = 0660});
  CHECK(larger.options().capacity_bytes == 2 * MiB);

  SUBCASE("what one has left there all the same is named, and goes with the segment") {
    CHECK(as_other_user([&] { return std::fclose(std::fopen(session::successor_of(made.path()).c_str(), "w")); }) == 0);
    CHECK(refused({.name = name, .capacity_bytes = 3 * MiB, .mode = 0660},
                  "is in the way and belongs to user 1; have it removed"));
    CHECK(remove_segment(name.str()));
    CHECK(opened({.name = name, .capacity_bytes = 3 * MiB, .mode = 0660}));
  }
}

TEST_CASE("root may give another user's segment another capacity") {
  if (!is_root()) return;
  UniqueName name;
  const Options options{.name = name, .capacity_bytes = 1 * MiB, .owner = 1};
  Cache made = Cache::open(options);
  Options larger = options;
  larger.capacity_bytes = 2 * MiB;
  CHECK(opened(larger));
  CHECK(made.options().capacity_bytes == 2 * MiB);
  CHECK(as_other_user([&] { return opened({.name = name, .capacity_bytes = 2 * MiB}) ? 0 : 1; }) == 0);
  fs::remove(made.path());
}

TEST_CASE("a read-only handle on a removed segment misses, says so once, and goes on when somebody has made it anew") {
  UniqueName name;
  Cache writer = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(writer.set("key", "value") == Code::ok);
  Cache reader = Cache::open({.name = name, .read_only = true});
  REQUIRE(reader.get("key") == "value");
  set_hooks({.log = log_to_memory});
  REQUIRE(remove_segment(name.str()));
  CHECK(comes_true([&] { return !reader.get("key"); }, 1s));
  CHECK(reader.contains("key") == Code::not_found);
  CHECK(reader.set("key", "x") == Code::read_only);
  CHECK(reader.stats().entries == 0);
  // It looks again, 0.4, 0.8, ... seconds later, and has nothing new to say.
  CHECK_FALSE(comes_true([&] { return reader.get("key").has_value(); }, 2s));
  CHECK(lines_with("reads misses and writes nothing until it can open it again: ") == 1);
  CHECK(lines_with("there is no such segment") == 1);
  REQUIRE(writer.set("key", "new") == Code::ok);
  CHECK(comes_true([&] { return reader.get("key") == "new"; }, 5s));
  CHECK(reader.stats().reattachments == 1);
  set_hooks({});
}

TEST_CASE("a worker that gives up its user after the fork has a segment of its own once the first is removed") {
  if (!is_root()) return;
  UniqueName name;
  const std::string own = session::path_of({.name = name, .owner = 1});
  Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  const std::string first = cache.path();
  REQUIRE(cache.set("key", "value") == Code::ok);
  const auto worker = [&](std::string_view wanted) {
    return as_other_user([&] {
      set_hooks({.log = log_to_memory});
      // It goes on where it is mapped, and says once that this will not last.
      bool good = cache.get("key") == wanted && cache.set("key", "changed") == Code::ok;
      good &= comes_true([&] { return cache.get("key") && lines_with("was opened as user 0") > 0; }, 2s);
      good &= lines_with("and this process is now user 1. ") == 1 && lines_with("give owner = 1") == 1;
      return good ? 0 : 1;
    });
  };
  CHECK(worker("value") == 0);
  REQUIRE(cache.get("key") == "changed");
  REQUIRE(remove_segment(name.str()));
  for (const bool second : {false, true}) {  // the next worker finds what the first has made
    CAPTURE(second);
    CHECK(as_other_user([&] {
            set_hooks({.log = log_to_memory});
            bool good = comes_true([&] { return cache.path() == own || cache.contains("key") == Code::busy; }, 2s);
            good &= cache.get("mine").has_value() == second && cache.set("mine", "yes") == Code::ok;
            good &= !fs::exists(first) && fs::exists(own) && cache.options().capacity_bytes == 1 * MiB;
            good &= lines_with("is no longer user 0, and has moved to " + own) == 1;
            return good ? 0 : 1;
          }) == 0);
  }
  CHECK(comes_true([&] { return !cache.get("key"); }, 1s));
  CHECK(cache.set("key", "new") == Code::ok);
  CHECK(cache.path() == first);
  fs::remove(own);
}

TEST_CASE("a name that another user has is no secret: attaching says so, and so does making one's own") {
  if (!is_root()) return;
  UniqueName name;
  const Cache made = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  CHECK(as_other_user([&] {
          set_hooks({.log = log_to_memory});
          bool good = false;
          try {
            static_cast<void>(Cache::attach(name.str()));
          } catch (const OpenError& error) {
            good = std::string_view(error.what()).find("user 0 has one of this name, which is another") !=
                   std::string_view::npos;
          }
          good &= opened({.name = name}) && lines_with("is new; user 0 has one of this name") == 1;
          good &= opened({.name = name}) && lines_with("is new") == 1;
          remove_segment(name.str());
          return good ? 0 : 1;
        }) == 0);
}

TEST_CASE("another user's handle on a removed segment neither makes it nor writes into what nobody sees") {
  if (!is_root()) return;
  UniqueName name;
  Cache writer = Cache::open({.name = name, .capacity_bytes = 1 * MiB, .mode = 0660});
  REQUIRE(writer.set("key", "value") == Code::ok);
  int up[2], down[2];
  REQUIRE(::pipe(up) == 0);
  REQUIRE(::pipe(down) == 0);
  const auto say = [](int to) { return ::write(to, "x", 1) == 1; };
  const auto hear = [](int from) {
    char byte = 0;
    return ::read(from, &byte, 1) == 1;
  };
  std::thread owner([&] {
    hear(up[0]);
    remove_segment(name.str());
    say(down[1]);
    hear(up[0]);
    CHECK(writer.set("key", "new") == Code::ok);
  });
  CHECK(as_other_user([&] {
          Cache cache = Cache::open({.name = name, .mode = 0660, .owner = 0});
          bool good = cache.get("key") == "value" && say(up[1]) && hear(down[0]);
          good &= comes_true([&] { return !cache.get("key"); }, 2s);
          good &= cache.set("key", "mine") == Code::read_only && !cache.get("key") && !fs::exists(cache.path());
          good &= say(up[1]) && comes_true([&] { return cache.get("key") == "new"; }, 20s);
          good &= cache.set("from", "user 1") == Code::ok;
          return good ? 0 : 1;
        }) == 0);
  say(up[1]);  // if the child failed early
  say(up[1]);
  owner.join();
  CHECK(writer.get("from") == "user 1");
}

TEST_CASE("a copy of a handle is a handle to the same attachment, with the same options") {
  static_assert(std::is_nothrow_copy_constructible_v<Cache> && std::is_nothrow_copy_assignable_v<Cache>);
  static_assert(std::is_nothrow_move_constructible_v<Cache> && std::is_nothrow_move_assignable_v<Cache>);
  UniqueName name;
  std::optional<Cache> first =
      Cache::open({.name = name, .capacity_bytes = 1 * MiB, .default_ttl = std::chrono::hours(1)});
  Cache copy = *first;
  CHECK(copy.set("key", "value") == Code::ok);
  CHECK(first->get("key") == "value");
  first.reset();  // the copy keeps what it needs
  Ttl left{};
  CHECK(copy.ttl("key", left) == Code::ok);
  CHECK(left <= std::chrono::hours(1));
  CHECK(copy.options().default_ttl == std::chrono::hours(1));
  CHECK(copy.stats().processes.size() == 1);

  Cache other = Cache::open({.name = name});
  other = copy;
  CHECK(other.options().default_ttl == std::chrono::hours(1));

  // What a handle was moved out of takes another one.
  Cache moved = std::move(other);
  other = moved;  // NOLINT(bugprone-use-after-move): may be assigned to
  CHECK(other.get("key") == "value");
  Cache again = std::move(other);
  const Cache nothing = other;  // NOLINT(bugprone-use-after-move): may be copied
  CHECK(again.get("key") == "value");
}

TEST_CASE("handles are copied into threads while others call on them and copy them too") {
  UniqueName name;
  const Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&cache, &wrong, t] {
        const std::string key = std::to_string(t);
        for (int i = 0; i < 2000; ++i) {
          Cache mine = cache;
          std::int64_t now = 0;
          if (mine.increment(key, 1, now, 0) != Code::ok || now != i + 1) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(cache.stats().writes == 4 * 2000);
}
