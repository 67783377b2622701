// open_error.hpp - Why a segment could not be opened, as data: each client says it in its own words.
#pragma once

#include <filesystem>
#include <forklore/export.hpp>
#include <forklore/option.hpp>
#include <memory>
#include <string>
#include <system_error>

namespace forklore {

/// Why there is no segment. Parts that do not apply are empty.
struct FORKLORE_EXPORT Reason {
  Option option = {};               ///< that is wrong, or of which another value would help
  std::filesystem::path path = {};  ///< of the segment, or of what is in its way
  Message fault = {};               ///< what is wrong; empty if given says it
  std::string given = {};           ///< the value that was given, if it is out of its bound
  std::string bound = {};           ///< what is allowed or can be had: "128 KiB to 16 GiB"
  Message remedy = {};              ///< what to do

  /// All of it in one sentence: "PATH: OPTION: FAULT; REMEDY", or "OPTION must be BOUND, not GIVEN; REMEDY".
  [[nodiscard]] Message whole() const;
};

/// Why a segment could not be opened, listed or removed. code() is the kind, and reason() has the parts. what() is all
/// of it in the words of C++.
class FORKLORE_EXPORT OpenError : public std::system_error {
 public:
  OpenError(std::error_code code, Reason reason);
  [[nodiscard]] const Reason& reason() const noexcept { return said_->reason; }
  /// The whole reason, and the system's own words after it if it has neither a bound nor a remedy.
  [[nodiscard]] Message message() const;
  [[nodiscard]] const char* what() const noexcept override { return said_->what.c_str(); }

 private:
  struct Said {
    Reason reason;
    std::string what;
  };
  std::shared_ptr<const Said> said_;  // shared, as exceptions are copied and that must not throw
};

}  // namespace forklore
