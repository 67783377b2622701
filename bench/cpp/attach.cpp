#include "attach.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <forklore/forklore.hpp>
#include <stdexcept>

#include "shared.hpp"

namespace bench {
namespace {

/// Gone again whatever ends this.
struct Made {
  const std::string& name;
  ~Made() { static_cast<void>(forklore::remove_segment(name)); }
};

/// Waits for it even if this process is told to end, and throws after that.
template <class Work>
void in_child(Work work) {
  const ::pid_t child = ::fork();
  if (child == 0) ::_exit(work() ? 0 : 1);
  int status = 0;
  bool told_to_end = false;
  ::pid_t ended;
  while ((ended = ::waitpid(child, &status, 0)) < 0 && errno == EINTR) told_to_end = true;
  if (told_to_end) throw std::runtime_error("told to end");
  if (child < 0 || ended != child || status != 0) throw std::runtime_error("cannot attach");
}

}  // namespace

std::vector<double> attach_milliseconds(const std::string& name, std::size_t bytes, unsigned rounds) {
  using Clock = std::chrono::steady_clock;
  const Shared<double> took;
  const Made made{name};
  std::vector<double> milliseconds;
  in_child([&] {
    forklore::Cache cache = forklore::Cache::open({.name = name, .capacity_bytes = bytes});
    return cache.set("key", "value") == forklore::Code::ok;
  });
  for (unsigned round = 0; round < rounds; ++round) {
    in_child([&] {
      std::string value;
      const auto begin = Clock::now();
      forklore::Cache cache = forklore::Cache::attach(name);
      const bool there = cache.get("key", value) == forklore::Code::ok;
      *took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
      return there && value == "value";
    });
    milliseconds.push_back(*took);
  }
  return milliseconds;
}

}  // namespace bench
