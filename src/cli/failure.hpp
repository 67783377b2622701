// failure.hpp - How the program ends, and why it could not do what it was asked.
#pragma once

#include <stdexcept>
#include <string>

namespace forklore::cli {

/// The exit codes, which scripts rely on.
enum class Exit : int {
  done = 0,
  refused = 1,      ///< what was named is not there, or the answer was no
  wrong_words = 2,  ///< the command line makes no sense
};

/// A sentence for who called the program, without its name in front and without a full stop.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& why, Exit with = Exit::refused) : std::runtime_error(why), exit(with) {}
  const Exit exit;
};

}  // namespace forklore::cli
