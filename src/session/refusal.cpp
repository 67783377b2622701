#include "session/refusal.hpp"

#include <utility>

namespace forklore {

Message Reason::whole() const {
  Message text;
  if (!path.empty()) text += path.string() + ": ";
  if (!given.empty()) {
    text += Message(option) + " must be " + bound + ", not " + given;
  } else {
    if (option) text += Message(option) + ": ";
    text += fault;
  }
  return remedy.empty() ? text : text + "; " + remedy;
}

OpenError::OpenError(std::error_code code, Reason reason) : std::system_error(code) {
  auto said = std::make_shared<Said>(Said{std::move(reason), {}});
  said_ = said;
  said->what = "forklore: " + message().said();
}

Message OpenError::message() const {
  const Reason& why = reason();
  const bool says_enough = !why.remedy.empty() || !why.bound.empty() || code() == std::errc::invalid_argument;
  return says_enough ? why.whole() : why.whole() + ": " + code().message();
}

}  // namespace forklore

namespace forklore::session {

void fail(std::error_code code, Reason reason) {
  const char* remedy = "";
  if (code == std::errc::too_many_files_open) {
    remedy = "this process has no descriptor left: close some, or raise its limit (ulimit -n, LimitNOFILE= of a unit)";
  } else if (code == std::errc::too_many_files_open_in_system) {
    remedy = "the host has no descriptor left: raise fs.file-max";
  }
  if (*remedy != '\0') reason.remedy = reason.remedy.empty() ? remedy : reason.remedy + "; " + remedy;
  throw OpenError(code, std::move(reason));
}

void fail(std::errc code, Reason reason) { fail(std::make_error_code(code), std::move(reason)); }

}  // namespace forklore::session
