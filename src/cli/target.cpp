#include "cli/target.hpp"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <set>

#include "cli/failure.hpp"
#include "cli/text.hpp"

namespace forklore::cli {
namespace {

template <class Number>
bool parse(const std::string& text, Number& number, int base) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return end.ec == std::errc{} && end.ptr == text.data() + text.size();
}

/// The one user whose segment of this name root means, if root has none itself. None: the caller's own.
std::optional<::uid_t> sole_owner(const std::string& name) {
  std::set<::uid_t> owners;
  if (::geteuid() != 0) return {};
  for (const SegmentInfo& segment : segments()) {
    if (segment.name == name) owners.insert(segment.owner);
  }
  if (owners.empty() || owners.count(0) != 0) return {};
  if (owners.size() == 1) return *owners.begin();
  std::string users;
  for (const ::uid_t owner : owners) users += (users.empty() ? "" : ", ") + user_name(owner);
  throw Failure(name + ": several users have one of this name (" + users + "); give --owner");
}

}  // namespace

void Access::add_to(CLI::App& command) {
  command.add_option("--owner", owner, "the user who owns it, by name or number; else you, or for root its only owner")
      ->type_name("USER");
  command.add_option("--mode", mode, "the widest mode that it may have, such as 0660; else 0600")->type_name("MODE");
}

std::optional<::uid_t> Access::uid() const {
  ::uid_t user = 0;
  if (owner.empty()) return {};
  if (parse(owner, user, 10)) return user;
  const struct passwd* entry = ::getpwnam(owner.c_str());
  if (entry == nullptr) throw Failure("--owner: there is no user " + escaped(owner), Exit::wrong_words);
  return entry->pw_uid;
}

::mode_t Access::bits() const {
  ::mode_t bits = 0600;
  if (!mode.empty() && (!parse(mode, bits, 8) || bits > 0777)) {
    throw Failure("--mode: " + escaped(mode) + " is no mode such as 0660", Exit::wrong_words);
  }
  return bits;
}

void Target::add_to(CLI::App& command) {
  command.add_option("NAME", name_, "the segment")->required();
  command.add_flag("--path", is_path_, "NAME is the path of a segment in a file");
  access_.add_to(command);
}

std::optional<::uid_t> Target::owner() const {
  const std::optional<::uid_t> given = access_.uid();
  return given || is_path_ ? given : sole_owner(name_);
}

Options Target::options() const {
  Options options{.mode = access_.bits()};
  try {
    if (is_path_) {
      options.place = Place::file;
      if (!name_.empty()) options.path = std::filesystem::absolute(name_);
    } else {
      options.name = name_;
    }
    check_options(options);
  } catch (const OpenError& error) {
    throw Failure(cli::said(error), Exit::wrong_words);
  }
  options.owner = owner();
  return options;
}

Cache Target::attach(bool read_only) const {
  Options wanted = options();
  wanted.read_only = read_only;
  return Cache::attach(wanted);
}

bool Target::remove() const {
  const Options which = options();
  return remove_segment(is_path_ ? which.path.string() : which.name, which.place, which.owner);
}

std::string Target::said() const { return escaped(name_); }

std::string user_name(::uid_t user) {
  const struct passwd* entry = ::getpwuid(user);
  return entry == nullptr ? std::to_string(user) : escaped(entry->pw_name);
}

std::string said(const OpenError& error) {
  return escaped(error.message().said([](Option option, const std::string& value) {
    if (option == Option::place) return std::string("--path");
    if (option == Option::read_only) return std::string("looking");
    const std::string word = option == Option::owner || option == Option::mode || option == Option::path ? "--" : "";
    return word + std::string(option.word) + (value.empty() ? "" : " ") + value;
  }));
}

}  // namespace forklore::cli
