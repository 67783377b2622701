// Two pid namespaces, in which thread ids are no longer unique: locks are never shared between them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <forklore/forklore.hpp>
#include <optional>
#include <string>

#include "child.hpp"
#include "unique_name.hpp"

using namespace forklore;
using tests::Child;
using tests::UniqueName;

namespace {

constexpr int kNotAllowed = 77;
enum class Proc : bool { of_parent, own };

/// The user stays who it is in a user namespace of its own.
bool keep_user(::uid_t user) {
  const std::string map = std::to_string(user) + " " + std::to_string(user) + " 1";
  const int file = ::open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
  const bool kept = file >= 0 && ::write(file, map.data(), map.size()) == static_cast<ssize_t>(map.size());
  ::close(file);
  return kept;
}

/// Runs body as the first process of a new pid namespace. What it returns, or kNotAllowed if there can be none here.
template <class Body>
int in_new_namespace(Proc proc, Body body) {
  return Child([&] {
           const ::uid_t user = ::geteuid();
           if (user == 0 ? ::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0
                         : ::unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0 || !keep_user(user)) {
             return kNotAllowed;
           }
           return Child([&] {
                    if (proc == Proc::own &&
                        (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                         ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)) {
                      return kNotAllowed;
                    }
                    return body();
                  })
               .join();
         })
      .join();
}

bool allowed(int result) {
  if (result == kNotAllowed) MESSAGE("skipped: no pid namespace (with a /proc of its own) can be made here");
  return result != kNotAllowed;
}

/// What opening says; empty if it works.
std::string refusal(const std::string& name) {
  try {
    const Cache cache = Cache::open({.name = name});
    return {};
  } catch (const OpenError& error) {
    return error.what();
  }
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a segment is refused in another pid namespace while one uses it, and goes over to it when none does") {
  UniqueName name;
  std::optional<Cache> cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
  REQUIRE(cache->set("key", "value") == Code::ok);
  // Whoever is to open it there is born first: it must not hold the segment by inheritance.
  const auto opens_elsewhere = [&] {
    return in_new_namespace(Proc::own, [&] {
      cache.reset();
      const std::string why = refusal(name);
      if (has(why, "is in use in another pid namespace") && has(why, "shareProcessNamespace")) return 1;
      if (!why.empty()) return 2;
      Cache mine = Cache::open({.name = name});
      return mine.get("key") == "value" && mine.set("key", "from there") == Code::ok && mine.verify().empty() ? 0 : 3;
    });
  };
  const int result = opens_elsewhere();
  if (!allowed(result)) return;
  CHECK(result == 1);
  CHECK(cache->get("key") == "value");
  cache.reset();
  CHECK(opens_elsewhere() == 0);
  CHECK(refusal(name).empty());  // and back
  CHECK(Cache::attach(name.str()).get("key") == "from there");
}

TEST_CASE("who sees another namespace's /proc is refused") {
  UniqueName name;
  const int result = in_new_namespace(
      Proc::of_parent, [&] { return has(refusal(name), "/proc: is not that of this pid namespace") ? 0 : 1; });
  if (allowed(result)) CHECK(result == 0);
}

TEST_CASE("a handle inherited into another pid namespace reads, and neither writes nor locks") {
  for (const Proc proc : {Proc::own, Proc::of_parent}) {
    CAPTURE(proc == Proc::own);
    UniqueName name;
    Cache cache = Cache::open({.name = name, .capacity_bytes = 1 * MiB});
    REQUIRE(cache.set("key", "value") == Code::ok);
    const int result = in_new_namespace(proc, [&] {
      std::int64_t now = 0;
      if (cache.get("key") != "value") return 1;
      if (cache.set("key", "other") != Code::read_only || cache.erase("key") != Code::read_only) return 2;
      if (cache.increment("n", 1, now, 0) != Code::read_only || cache.clear() != Code::read_only) return 3;
      // A child in that namespace is there too.
      return Child([&] { return cache.set("key", "other") == Code::read_only && cache.get("key") ? 0 : 4; }).join();
    });
    if (!allowed(result)) continue;
    CHECK(result == 0);
    CHECK(cache.get("key") == "value");
    CHECK(cache.set("key", "again") == Code::ok);
  }
}
