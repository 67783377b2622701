#include "session/need.hpp"

#include "base/shortage.hpp"
#include "session/naming.hpp"

namespace forklore::session {

std::optional<Reason> shortage_of(const std::filesystem::path& path, std::uint64_t bytes, std::uint64_t more,
                                  Place place) {
  const std::filesystem::path directory = place == Place::anonymous ? std::filesystem::path{} : path.parent_path();
  const auto shortage = base::find_shortage(directory, more, place != Place::file);
  if (!shortage) return {};
  const std::string beside = more > bytes ? " beside the " + exactly(more - bytes) + " of others" : "";
  const std::string left = exactly(shortage->available);
  return Reason{.option = Option::capacity_bytes,
                .path = path,
                .fault = exactly(bytes) + beside + " is asked for, and " + shortage->limit + " has " + left + " left",
                .bound = "at most " + left,
                .remedy = shortage->remedy + ", or lower " + Option::capacity_bytes};
}

}  // namespace forklore::session

namespace forklore {

Need need_of(const Options& options, std::uint64_t beside) {
  using namespace session;
  check_options(options);
  Need need;
  need.path = path_of(options);
  std::error_code error;
  const std::uint64_t there = need.path.empty() ? 0 : std::filesystem::file_size(need.path, error);
  const bool is_there = !error && there != 0;
  const std::uint64_t bytes = plan_or_throw(wanted_shape(options)).shape.capacity;
  if (is_there && (!options.capacity_bytes || bytes == there)) return need;
  need.bytes = bytes;
  need.shortage = shortage_of(need.path, bytes, bytes + beside, options.place);
  if (beside != 0 && need.shortage) need.shortage->remedy += ", or that of the others";
  return need;
}

}  // namespace forklore
