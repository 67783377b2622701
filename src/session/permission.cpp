#include "session/permission.hpp"

#include <unistd.h>

#include <string>
#include <utility>

#include "session/naming.hpp"
#include "session/refusal.hpp"

namespace forklore::session {

using std::filesystem::path;

void check_file(const path& file, const base::File& f, const Options& options) {
  if (!f.is_regular()) fail(std::errc::invalid_argument, {.path = file, .fault = "is not a regular file"});
  const ::uid_t owner = options.owner.value_or(::geteuid());
  if (f.owner() != owner) {
    const std::string whose = std::to_string(f.owner());
    fail(std::errc::permission_denied,
         {.option = Option::owner,
          .path = file,
          .fault = "it belongs to user " + whose + ", not to " + std::to_string(owner),
          .bound = whose,
          .remedy = Message("give ") + Message(Option::owner, whose) + " to share another user's segment"});
  }
  if (((f.mode() & 0066) & ~options.mode) != 0) {
    const std::string is = in_octal(f.mode() & 0777);
    fail(std::errc::permission_denied, {.option = Option::mode,
                                        .path = file,
                                        .fault = "others may read or write it: its mode is " + is + ", and " +
                                                 in_octal(options.mode) + " does not allow that",
                                        .bound = "at most " + in_octal(options.mode),
                                        .remedy = Message("give ") + Message(Option::mode, is) + ", or chmod it"});
  }
}

void fail_to_open(const path& name, std::error_code error, const Options& options, bool may_make) {
  const Option where = options.place == Place::file ? Option::path : Option::name;
  if (error == std::errc::too_many_symbolic_link_levels) {
    fail(error, {.path = name, .fault = "is a symbolic link", .remedy = Message("give another ") + where});
  }
  if (error == std::errc::is_a_directory) {
    fail(error, {.path = name, .fault = "is a directory", .remedy = Message("give the ") + where + " of a file"});
  }
  if (error == std::errc::no_such_file_or_directory) {
    const path directory = name.parent_path();
    if (!std::filesystem::exists(directory)) {
      fail(error, {.option = where,
                   .path = name,
                   .fault = "there is no directory " + directory.string(),
                   .remedy = "make it first"});
    }
    if (!may_make) {
      const std::string whose = std::to_string(options.owner.value_or(::geteuid()));
      Message check = Message("check ") + where;
      if (options.place != Place::file) check += Message(", and ") + Option::owner + " (now user " + whose + ")";
      const Message others = owned_by_others(options);
      fail(error, {.option = where,
                   .path = name,
                   .fault = "there is no such segment",
                   .remedy = (others.empty() ? check : others) + "; its owner makes one by opening it for writing"});
    }
  }
  if (error == std::errc::permission_denied) {
    fail(error,
         {.option = where,
          .path = name,
          .fault = "user " + std::to_string(::geteuid()) + " may not " + (options.read_only ? "read" : "write") + " it",
          .remedy = Message("have the permissions of it and its directory changed, or choose another ") + where});
  }
  fail(error, {.path = name, .fault = "cannot open it"});
}

void check_successor(const path& name, const base::File& f, const Options& options, Reason differs) {
  differs.path = name;
  if (!options.capacity_bytes) {
    differs.remedy = Message("leave it out to take what is there, or give ") + Option::capacity_bytes +
                     " to put an empty successor in its place";
    fail(std::errc::invalid_argument, std::move(differs));
  }
  if (options.read_only) {
    differs.remedy = Message("a ") + Option::read_only + " handle cannot replace it: leave them out";
    fail(std::errc::permission_denied, std::move(differs));
  }
  if (::geteuid() != f.owner() && ::geteuid() != 0) {
    differs.remedy = "only its owner, user " + std::to_string(f.owner()) + ", can replace it: leave out " +
                     Option::capacity_bytes + " to take what is there";
    fail(std::errc::permission_denied, std::move(differs));
  }
}

}  // namespace forklore::session
