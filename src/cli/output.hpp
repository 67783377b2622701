// output.hpp - What the program says. It is written in pieces, so that a long listing takes no memory. Errors go to
// stderr, in one line.
#pragma once

#include <string>
#include <string_view>

#include "cli/text.hpp"

namespace forklore::cli {

class Output {
 public:
  /// Text goes out as it is: whoever passes any has escaped it.
  void line(std::string_view text);
  /// One line, all ASCII.
  void object(const Json& value);
  /// Bytes of a value, unchanged and without a line end.
  void raw(std::string_view bytes);
  /// Throws Failure if it cannot be written, as all of these do.
  void flush();
  /// What was said before something failed. It does nothing if it cannot be written.
  void end() noexcept;

 private:
  std::string waiting_;
};

/// Whether a person reads what the program says.
bool is_terminal() noexcept;

}  // namespace forklore::cli
