// target.hpp - Which segment a command is about.
#pragma once

#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <forklore/cache.hpp>
#include <forklore/open_error.hpp>
#include <optional>
#include <string>

namespace forklore::cli {

/// Words that name a user, and those that say which modes are accepted.
struct Access {
  std::string owner, mode;

  void add_to(CLI::App& command);
  [[nodiscard]] std::optional<::uid_t> uid() const;
  [[nodiscard]] ::mode_t bits() const;
};

class Target {
 public:
  void add_to(CLI::App& command);
  /// Attaches, and never creates.
  [[nodiscard]] Cache to_look() const { return attach(true); }
  [[nodiscard]] Cache to_change() const { return attach(false); }
  /// Returns false if there was none.
  [[nodiscard]] bool remove() const;
  /// For messages.
  [[nodiscard]] std::string said() const;

 private:
  [[nodiscard]] Cache attach(bool read_only) const;
  [[nodiscard]] Options options() const;
  [[nodiscard]] std::optional<::uid_t> owner() const;

  std::string name_;
  bool is_path_ = false;
  Access access_;
};

/// The name of a user, or the number if there is none.
std::string user_name(::uid_t user);
/// Why a segment could not be had, in the words of the command line.
std::string said(const OpenError& error);

}  // namespace forklore::cli
