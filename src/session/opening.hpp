// opening.hpp - From a name to a mapped segment: find it, make it, replace it, adopt it.
//
// Every step re-reads what the name means now, so any number of processes may do this at once and die anywhere:
//   attach   shared flock on the description that is mapped; then compare inode and name
//   create   exclusive flock on the file under the name, its final size, magic word last; a file without one, of
//            whatever size, is made anew by the next to come
//   succeed  the same on NAME.next, then rename over the name
//   adopt    exclusive flock: nobody is attached, so locks may be set anew for another boot or pid namespace
#pragma once

#include <filesystem>
#include <memory>

#include "forklore/options.hpp"
#include "session/view.hpp"
#include "store/geometry.hpp"

namespace forklore::session {

/// What is done where there is no segment.
struct Wish {
  store::Shape shape;       ///< of the one that is made; capacity 0: the default
  bool must_exist = false;  ///< none is made
};

/// Opens what lies under path, or puts what options ask for in its place. Throws OpenError.
std::unique_ptr<View> open_view(const std::filesystem::path& path, const Options& options, const Wish& wish);

/// Whether view is of what lies under path, and that is what options ask for. Throws OpenError if they do not allow it.
bool is_as_asked(const std::filesystem::path& path, const Options& options, const View& view);

/// A segment in memory without a name. Throws OpenError.
std::unique_ptr<View> open_anonymous(const Options& options);

/// Marks a file clean if nobody is attached any more.
void close_file(const std::filesystem::path& path, base::FileIdentity identity) noexcept;

}  // namespace forklore::session
