// storm_worker.hpp - A worker of a kill storm: random calls without end on segments that it shares with the others.
//
// In the small segment anything may vanish, but nothing may be torn. In those with room each entry has one writer, who
// acknowledges what a call has done through a pipe; all read all entries and know what must be there.
#pragma once

#include <forklore/forklore.hpp>
#include <string>

#include "crash/board.hpp"
#include "crash/checked_value.hpp"

namespace forklore::crash {

Options small_options(const Names& names);
Options room_options(const Names& names);
Options strict_options(const Names& names);

/// A process's handles to a storm's segments.
struct Segments {
  explicit Segments(const Names& names)
      : small(Cache::open(small_options(names))),
        room(Cache::open(room_options(names))),
        strict(Cache::open(strict_options(names))) {}
  Cache small, room, strict;
  /// Where a worker's entry, or a counter, of this number lies.
  Cache& of(std::uint32_t key) noexcept { return key % 2 == 0 ? room : strict; }
};

/// The checked value's key number of a worker's entry.
constexpr std::uint16_t entry_number(std::uint32_t worker, std::uint32_t key) noexcept {
  return static_cast<std::uint16_t>(0x8000u | worker << 8 | key);
}
std::string entry_name(std::uint32_t worker, std::uint32_t key);
std::string counter_name(std::uint32_t key);

class StormWorker {
 public:
  StormWorker(std::uint32_t number, Board& board, int acks, Segments& segments, std::uint64_t seed)
      : number_(number), board_(board), line_(board.workers[number]), acks_(acks), segments_(segments), random_(seed) {}
  /// Works until the board says stop, or it is killed.
  void run();

 private:
  void work_small();
  void work_with_room();
  void read_anyones();
  void acknowledge(const Intent& intent);
  /// Prints what is wrong and counts it on the board.
  void fault(const std::string& what);
  void expect(Code code, std::initializer_list<Code> allowed, const char* call);
  std::size_t any_size(std::size_t most);

  std::uint32_t number_;
  Board& board_;
  WorkerLine& line_;
  int acks_;
  Segments& segments_;
  Random random_;
  std::string value_;
  std::string out_;
};

}  // namespace forklore::crash
