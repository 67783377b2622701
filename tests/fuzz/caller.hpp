// caller.hpp - Every call on a cache, by choice, checked against the answers that its declaration allows, whatever the
// segment holds. A call that answers anything else aborts the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <forklore/forklore.hpp>
#include <initializer_list>
#include <string>

#include "cache/checked_calls.hpp"

namespace forklore::fuzz {

/// Prints what was promised, and aborts, unless it holds.
void must(bool holds, const char* what);

class Caller {
 public:
  /// alone: nobody else writes to the segment meanwhile.
  Caller(Cache& cache, tests::Mix mix, tests::Choices& choices, bool alone);

  /// Makes one call, or lets time pass.
  void call();

 private:
  std::string key();
  Ttl ttl();
  std::uint16_t format();
  std::string value();

  static void stored(Code code, std::initializer_list<Code> also, const char* call);
  /// A value is no larger than the segment, whatever its entry says.
  void check_size(std::size_t size) const;
  void get(const std::string& key);
  void get_into(const std::string& key);
  void get_many();
  void look_at(const std::string& key);
  void compare_and_set(const std::string& key);
  void increment(const std::string& key);
  void compute(const std::string& key);
  /// Locks, rates and windows.
  void coordinate(const std::string& key);
  void scan();

  Cache& cache_;
  tests::Mix mix_;
  tests::Choices& choices_;
  bool alone_;
  std::size_t most_;  // bytes of a value
};

}  // namespace forklore::fuzz
