#include "crash/checker.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

#include "crash/checked_value.hpp"

namespace forklore::crash {
namespace {

constexpr std::chrono::seconds kPatience{10};

std::string verify(const Cache& cache, const char* when) {
  const auto faults = cache.verify();
  return faults.empty() ? std::string() : std::string("verify ") + when + ": " + faults.front();
}

}  // namespace

std::string write_on(Cache& cache) {
  const Stats stats = cache.stats();
  const bool may_refuse = stats.when_full == WhenFull::reject;
  std::string value;
  std::string out;
  for (std::uint16_t i = 0; i < 200; ++i) {
    const std::string key = numbered("later-", i);
    std::int64_t now = 0;
    make_checked(i, i, i % 25 == 24 ? std::min<std::size_t>(9000, stats.max_value_bytes) : 8 + i * 37u % 700, value);
    const Code code = cache.set(key, value);
    if (code == Code::full && may_refuse) continue;
    if (code != Code::ok) return key + ": set answers " + std::string(to_string(code));
    if (cache.get(key, out) != Code::ok || out != value) return key + ": cannot be read back";
    if (i % 10 == 0) {
      const Code counted = cache.increment("later-counter", 1, now, 0);
      if (counted != Code::ok && !(counted == Code::full && may_refuse)) return "increment answers otherwise than ok";
    }
  }
  return {};
}

std::string examine(const std::string& name, const Contents& before, const Contents& after, const Also& also) {
  Cache cache = Cache::attach(name);
  std::string fault;
  for (const char* when : {"before its recovery: ", "after its recovery: "}) {
    const Contents now = read_all(cache, fault);
    if (fault.empty()) fault = compare(now, before, after);
    if (!fault.empty()) return when + fault;
    fault = verify(cache, "after the death");
    if (fault.empty() && also) fault = also(cache, now, before, after);
    if (!fault.empty()) return fault;
  }
  fault = write_on(cache);
  if (fault.empty()) fault = verify(cache, "after 200 entries more");
  if (fault.empty() && cache.stats().resets != 0) fault = "the stripe was taken for damaged and emptied";
  return fault;
}

void Checker::begin() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("no socket");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    serve(ends[1]);
  }
  ::close(ends[1]);
  descriptor_ = ends[0];
}

void Checker::end() noexcept {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(descriptor_);
  pid_ = -1;
}

void Checker::serve(int descriptor) const {
  std::array<char, 256> name;
  for (;;) {
    const ssize_t got = ::recv(descriptor, name.data(), name.size(), 0);
    if (got <= 0) ::_exit(0);
    std::string fault = "=";  // a packet of no bytes is an end
    try {
      fault += how_({name.data(), static_cast<std::size_t>(got)});
    } catch (const std::exception& error) {
      fault += error.what();
    }
    if (::send(descriptor, fault.data(), std::min<std::size_t>(fault.size(), 4000), 0) < 0) ::_exit(1);
  }
}

std::string Checker::check(const std::string& name) {
  if (pid_ <= 0) begin();
  const auto begun = std::chrono::steady_clock::now();
  if (::send(descriptor_, name.data(), name.size(), 0) < 0) throw std::runtime_error("the checker is gone");
  pollfd ready{descriptor_, POLLIN, 0};
  const int count = ::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  std::array<char, 4096> answer;
  const ssize_t got = count == 1 ? ::recv(descriptor_, answer.data(), answer.size(), 0) : 0;
  const auto taken = std::chrono::steady_clock::now() - begun;
  slowest_ = std::max(slowest_, std::chrono::duration_cast<std::chrono::milliseconds>(taken));
  if (got > 0) return {answer.data() + 1, static_cast<std::size_t>(got) - 1};
  end();
  return count == 1 ? "whoever looks at it dies" : "whoever looks at it hangs";
}

}  // namespace forklore::crash
