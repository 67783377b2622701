#include "session/refusal.hpp"

#include "forklore/options.hpp"

namespace forklore::session {

void fail(std::error_code code, const std::string& what) {
  const char* remedy = "";
  if (code == std::errc::too_many_files_open) {
    remedy =
        "; this process has no descriptor left: close some, or raise its limit (ulimit -n, LimitNOFILE= of a unit)";
  } else if (code == std::errc::too_many_files_open_in_system) {
    remedy = "; the host has no descriptor left: raise fs.file-max";
  }
  throw OpenError(code, "forklore: " + what + remedy);
}

void fail(std::errc code, const std::string& what) { fail(std::make_error_code(code), what); }

}  // namespace forklore::session
