// contents.hpp - All that a segment holds, as a reader sees it, and whether a death may have left it so.
#pragma once

#include <forklore/forklore.hpp>
#include <map>
#include <string>

namespace forklore::crash {

/// An entry as far as callers can tell; the time left in whole hours, -1 for ever.
struct Entry {
  std::string value;
  std::uint16_t format = 0;
  long hours = -1;
  friend bool operator==(const Entry&, const Entry&) = default;
};
using Contents = std::map<std::string, Entry>;

/// Everything, by scan and get; fault says so if a key comes twice or cannot be read, and is left alone else.
Contents read_all(Cache& cache, std::string& fault);

/// Each key is as before a call or as after it, absent included, and there is no other. Says which is not; else empty.
std::string compare(const Contents& now, const Contents& before, const Contents& after);

}  // namespace forklore::crash
