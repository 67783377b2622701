#include "session/view.hpp"

#include <utility>

namespace forklore::session {
namespace {

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

View::View(base::Mapping mapped, const store::Description& description, bool writable, base::FileIdentity file,
           std::filesystem::path where)
    : id(next_id()),
      identity(file),
      path(std::move(where)),
      domain(description.domain),
      mapping(std::move(mapped)),
      segment(mapping.data(), description, writable) {}

}  // namespace forklore::session
