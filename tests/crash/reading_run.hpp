// reading_run.hpp - A reader that is overtaken: stopped at an instruction of a get or a scan, while the segment is
// changed under it, and let go on. It must answer what was there at some moment: a whole value, and no miss for a key
// that was present throughout.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crash/instruction_run.hpp"

namespace forklore::crash {

struct Overtaking {
  std::string name;
  std::function<Image(std::uint64_t seed)> prepare;  ///< a segment that holds kReadKey
  std::function<bool(Cache&)> overtake;              ///< what happens meanwhile; whether the key was present throughout
  bool must_stay = false;                            ///< it is, or the scenario is not what it says
  bool changes = true;                               ///< the entry's version does, or the same
  std::size_t scans = 0;                             ///< not 0: a scan, of which so many instructions are tried
};

inline constexpr const char* kReadKey = "read";
inline constexpr std::uint16_t kReadNumber = 7;

/// Overwritten, recycled, overwritten and recycled, moved, erased; a short value and a spilled one. Its slot moved.
/// Moved to a chunk that a scan has looked at already.
std::vector<Overtaking> overtakings();

class ReadingRun {
 public:
  ReadingRun(const Overtaking& overtaking, const RunOptions& options)
      : overtaking_(overtaking), options_(options), random_(options.seed) {
    row_.name = overtaking.name;
  }
  Row run();

 private:
  Overtaking overtaking_;
  RunOptions options_;
  Random random_;
  tests::UniqueName name_;
  Row row_;
};

/// No slot word of a key may come twice, whatever is recycled meanwhile: a reader that slept would take a new entry for
/// the one it began with, a compare_and_set an old version for the current one.
Row slot_words_do_not_return();

}  // namespace forklore::crash
