#include "cli/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <exception>
#include <system_error>

#include "cli/failure.hpp"

namespace forklore::cli {

void Output::raw(std::string_view bytes) {
  constexpr std::size_t kPiece = std::size_t{32} * 1024;
  waiting_ += bytes;
  if (waiting_.size() >= kPiece) flush();
}

void Output::line(std::string_view text) {
  waiting_ += text;
  raw("\n");
}

void Output::object(const Json& value) {
  line(value.dump(-1, ' ', true, Json::error_handler_t::replace));  // -1: in one line; true: all ASCII
}

void Output::flush() {
  std::string_view left = waiting_;
  while (!left.empty()) {
    const ::ssize_t written = ::write(STDOUT_FILENO, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Failure("cannot write: " + std::generic_category().message(errno));
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  waiting_.clear();
}

void Output::end() noexcept {
  try {
    flush();
  } catch (const std::exception&) {
    waiting_.clear();
  }
}

bool is_terminal() noexcept { return ::isatty(STDOUT_FILENO) == 1; }

}  // namespace forklore::cli
