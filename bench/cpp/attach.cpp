#include "attach.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <forklore/forklore.hpp>
#include <stdexcept>

#include "shared.hpp"

namespace bench {

std::vector<double> attach_milliseconds(const std::string& name, std::size_t bytes, unsigned rounds) {
  using Clock = std::chrono::steady_clock;
  const Shared<double> took;
  const auto in_child = [](auto work) {
    const ::pid_t child = ::fork();
    if (child == 0) ::_exit(work() ? 0 : 1);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) throw std::runtime_error("cannot attach");
  };
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
  static_cast<void>(forklore::remove_segment(name));
  return milliseconds;
}

}  // namespace bench
