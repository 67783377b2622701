// kill_worker PEER BOARD DIRECTORY - a server that forks its workers, and forks them again when they die.
// kill_worker --versions - the peers that were built, a line each: name and version.
//
// What it does and counts is worker.py's; the board is board.py's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "peer.hpp"

namespace {

using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

enum Phase : std::uint64_t { filling, storm, check };

struct Line {
  Word pid, calls, missing, wrong, older, refused, in_call, deaths;
};

class Board {
 public:
  explicit Board(const char* path) {
    const int file = ::open(path, O_RDWR | O_CLOEXEC);
    struct stat status {};
    if (file < 0 || ::fstat(file, &status) != 0) throw std::system_error(errno, std::generic_category(), path);
    void* memory =
        ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), path);
    words_ = static_cast<Word*>(memory);
  }

  [[nodiscard]] Word& phase() const { return words_[0]; }
  [[nodiscard]] std::uint32_t workers() const { return static_cast<std::uint32_t>(words_[1]); }
  [[nodiscard]] std::uint32_t keys() const { return static_cast<std::uint32_t>(words_[2]); }
  [[nodiscard]] Line& line(std::uint32_t number) const { return reinterpret_cast<Line*>(words_)[1 + number]; }
  [[nodiscard]] Word& acked(std::uint32_t key) const { return words_[8 * (2 + workers()) + key]; }

 private:
  Word* words_;
};

/// Every byte follows from key and counter.
void make_value(std::uint32_t key, std::uint32_t counter, std::string& value) {
  const std::array<std::uint32_t, 2> head{key, counter};
  value.resize(64 + (std::size_t{key} * 101 + std::size_t{counter} * 37) % 2000);
  std::memcpy(value.data(), head.data(), sizeof head);
  for (std::size_t at = sizeof head; at < value.size(); at += 8) {
    const std::uint64_t word = XXH3_64bits_withSeed(head.data(), sizeof head, at);
    std::memcpy(value.data() + at, &word, std::min(sizeof word, value.size() - at));
  }
}

/// The counter of a value made for this key; none if any byte is not what it should be.
std::optional<std::uint32_t> read_value(std::uint32_t key, const std::string& value) {
  if (value.size() < 64) return {};
  std::uint32_t counter = 0;
  std::memcpy(&counter, value.data() + 4, sizeof counter);
  std::string expected;
  make_value(key, counter, expected);
  if (value != expected) return {};
  return counter;
}

class Worker {
 public:
  Worker(const Board& board, std::uint32_t number, Peer& peer)
      : board_(board), number_(number), line_(board.line(number)), peer_(peer) {}

  /// Until it is killed, for it pauses when there has been enough; the checker until it has checked.
  void run() {
    line_.deaths += line_.in_call.exchange(0);
    peer_.open();
    line_.pid = static_cast<std::uint64_t>(::getpid());
    if (number_ == board_.workers()) return fill_and_check();
    while (board_.phase() == filling) ::usleep(1000);
    std::mt19937 random(std::random_device{}());
    while (board_.phase() == ::storm) {
      const auto chance = static_cast<std::uint32_t>(random());
      if (chance % 2 == 0) {
        read(chance / 2 % board_.keys());
      } else {
        store(chance / 2 % (board_.keys() / board_.workers()) * board_.workers() + number_);
      }
    }
    for (;;) ::pause();
  }

 private:
  /// Fills the store unless a predecessor has; looks at every key when it is told to, and counts that alone.
  void fill_and_check() {
    for (std::uint32_t key = 0; board_.phase() == filling && key < board_.keys(); ++key) {
      while (board_.acked(key) == 0) store(key);
    }
    for (Word* word : {&line_.calls, &line_.missing, &line_.wrong, &line_.older, &line_.refused}) *word = 0;
    if (board_.phase() == filling) board_.phase() = storm;
    while (board_.phase() != check) ::usleep(1000);
    for (std::uint32_t key = 0; key < board_.keys(); ++key) read(key);
  }

  /// Whether it returned.
  template <typename Call>
  bool succeeds(const Call& call) {
    line_.in_call = 1;
    try {
      call();
      line_.in_call = 0;
      return true;
    } catch (const std::exception& error) {
      line_.in_call = 0;
      ++line_.refused;
      if (!std::exchange(complained_, true)) std::fprintf(stderr, "worker %u: %s\n", number_, error.what());
      return false;
    }
  }

  void read(std::uint32_t key) {
    const std::uint64_t least = board_.acked(key);
    bool found = false;
    if (!succeeds([&] { found = peer_.get(name(key), value_); })) return;
    if (!found) {
      ++line_.missing;
    } else if (const auto counter = read_value(key, value_); !counter) {
      ++line_.wrong;
    } else if (*counter < least) {
      ++line_.older;
    }
    ++line_.calls;
  }

  void store(std::uint32_t key) {
    const auto counter = static_cast<std::uint32_t>(board_.acked(key)) + 1;
    make_value(key, counter, value_);
    if (!succeeds([&] { peer_.set(name(key), value_); })) return;
    board_.acked(key) = counter;
    ++line_.calls;
  }

  static std::string name(std::uint32_t key) { return "key:" + std::to_string(key); }

  const Board& board_;
  std::uint32_t number_;
  Line& line_;
  Peer& peer_;
  std::string value_;
  bool complained_ = false;
};

/// Forks the workers and the checker, and again those that a signal ends; 1 if one ends by itself.
int serve(const Board& board, Peer& peer) {
  std::map<::pid_t, std::uint32_t> running;
  const auto begin = [&](std::uint32_t number) {
    const ::pid_t pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid > 0) {
      running[pid] = number;
      return;
    }
    try {
      Worker(board, number, peer).run();
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "worker %u: %s\n", number, error.what());
      ::_exit(1);
    }
  };
  for (std::uint32_t number = 0; number <= board.workers(); ++number) begin(number);
  while (!running.empty()) {
    int status = 0;
    const auto ended = running.find(::wait(&status));
    if (ended == running.end()) continue;
    const std::uint32_t number = ended->second;
    running.erase(ended);
    if (WIFSIGNALED(status)) {
      begin(number);
    } else if (status != 0) {
      return 1;
    }
  }
  return 0;
}

struct Named {
  const char* name;
  std::unique_ptr<Peer> (*make)();
};

constexpr Named kPeers[] = {
    {"forklore", make_forklore_peer},
    {"boost", make_boost_peer},
#ifdef HAVE_LMDB
    {"lmdb", make_lmdb_peer},
#endif
};

}  // namespace

int main(int count, char** arguments) try {
  if (count == 2 && std::string_view(arguments[1]) == "--versions") {
    for (const Named& peer : kPeers) std::printf("%s %s\n", peer.name, peer.make()->version().c_str());
    return 0;
  }
  for (const Named& peer : kPeers) {
    if (count != 4 || std::string_view(arguments[1]) != peer.name) continue;
    const auto made = peer.make();
    made->prepare(arguments[3]);
    return serve(Board(arguments[2]), *made);
  }
  std::fputs("usage: kill_worker PEER BOARD DIRECTORY | --versions; kill_table.py starts it\n", stderr);
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
