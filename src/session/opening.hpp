// opening.hpp - From a name to a mapped segment: find it, make it, replace it, adopt it.
//
// Every step looks again what the name means. So any number of processes may open one at once, and die anywhere:
//   attach   Take a shared flock on the file, map it, and compare its inode with the name's.
//   create   Take an exclusive flock on the file under the name. Give it its final size, and write the magic word last.
//            The next process makes a file without the magic word again.
//   succeed  Do the same with NAME.next. Then rename it over the name.
//   adopt    Take an exclusive flock, so nobody is attached. Set the locks up again for another boot or pid namespace.
#pragma once

#include <filesystem>
#include <memory>

#include "forklore/options.hpp"
#include "session/view.hpp"
#include "store/geometry.hpp"

namespace forklore::session {

/// What to do where there is no segment.
struct Wish {
  store::Shape shape;       ///< of the segment to make. Capacity 0 is the default one
  bool must_exist = false;  ///< make none
};

/// Opens what lies under path, or puts what options ask for in its place. Throws OpenError.
std::unique_ptr<View> open_view(const std::filesystem::path& path, const Options& options, const Wish& wish);

/// Whether view shows what lies under path, and that has all that options ask for. Throws OpenError if the file's owner
/// or mode is not what options allow.
bool is_as_asked(const std::filesystem::path& path, const Options& options, const View& view);

/// Makes a segment in memory without a name. Throws OpenError.
std::unique_ptr<View> open_anonymous(const Options& options);

/// Marks a file clean if no process is attached any more.
void close_file(const std::filesystem::path& path, base::FileIdentity identity) noexcept;

}  // namespace forklore::session
