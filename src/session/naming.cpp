#include "session/naming.hpp"

#include <unistd.h>

#include <array>
#include <bit>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "base/hash.hpp"
#include "session/refusal.hpp"

namespace forklore::session {
namespace {

constexpr std::string_view kPrefix = "forklore-";
constexpr std::string_view kFormatMark = "-v";

[[noreturn]] void refuse(const std::string& what) { fail(std::errc::invalid_argument, what); }

bool is_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// As std::to_string() writes it.
template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && std::to_string(number) == text;
}

}  // namespace

std::string in_words(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(),
                amount == static_cast<double>(static_cast<std::uint64_t>(amount)) ? "%.0f" : "%.1f", amount);
  return std::string(text.data()) + " " + kUnits[unit];
}

std::string exactly(std::uint64_t bytes) { return in_words(bytes) + " (" + std::to_string(bytes) + ")"; }

store::Shape wanted_shape(const Options& options) {
  return {options.capacity_bytes.value_or(std::size_t{0}), options.stripes.value_or(0),
          options.max_value_bytes.value_or(std::size_t{0}), options.when_full == WhenFull::reject};
}

std::string difference(const Options& options, const store::Shape& there) {
  const auto differ = [](const char* option, const std::string& asked, const std::string& is) {
    return std::string(option) + ": " + asked + " is asked for, and " + is + " is there";
  };
  const auto word = [](bool reject) { return reject ? "reject" : "evict"; };
  if (options.capacity_bytes && *options.capacity_bytes != there.capacity) {
    return differ("capacity_bytes", exactly(*options.capacity_bytes), exactly(there.capacity));
  }
  if (options.when_full && (*options.when_full == WhenFull::reject) != there.reject) {
    return differ("when_full", word(!there.reject), word(there.reject));
  }
  if (options.max_value_bytes && *options.max_value_bytes != there.max_value) {
    return differ("max_value_bytes", exactly(*options.max_value_bytes), exactly(there.max_value));
  }
  if (options.stripes && *options.stripes != there.stripes) {
    return differ("stripes", std::to_string(*options.stripes), std::to_string(there.stripes));
  }
  return {};
}

store::Geometry plan_or_throw(store::Shape shape) {
  if (shape.capacity == 0) shape.capacity = kDefaultCapacityBytes;
  if (const std::uint64_t most = store::largest_value(shape.capacity, shape.reject); shape.max_value > most) {
    refuse("max_value_bytes: " + in_words(shape.max_value) + " does not fit a capacity of " + in_words(shape.capacity) +
           (shape.reject ? " with when_full = reject" : "") + "; at most " + in_words(most) +
           " does. Raise capacity_bytes");
  }
  const store::Geometry geometry = store::plan(shape);
  if (geometry.chunks == 0) {
    refuse("stripes: " + std::to_string(shape.stripes) + " stripes of a capacity of " + in_words(shape.capacity) +
           " are too small" + (shape.max_value != 0 ? " for values of " + in_words(shape.max_value) : "") +
           "; ask for fewer, or leave it out");
  }
  return geometry;
}

std::string test_prefix() {
  const char* given = ::secure_getenv("FORKLORE_TEST_PREFIX");
  std::string prefix = given == nullptr ? "" : given;
  if (!prefix.empty() && (!is_name(prefix) || prefix.size() > 64)) {
    refuse("FORKLORE_TEST_PREFIX: \"" + prefix +
           "\" in the environment is not 1 to 64 characters of A-Z a-z 0-9 . _ - that begin with no dot");
  }
  return prefix;
}

std::filesystem::path path_of(const Options& options) {
  if (options.place == Place::anonymous) return {};
  std::string name = test_prefix();
  if (options.place == Place::shm) {
    name += options.name;
  } else if (name.empty()) {
    return options.path;
  } else {
    std::array<char, 32> hash{};
    std::snprintf(hash.data(), hash.size(), "file-%016" PRIx64, base::hash(options.path.native()));
    name += hash.data();
  }
  const ::uid_t owner = options.owner.value_or(::geteuid());
  std::string file(kPrefix);
  file.append(std::to_string(owner)).append("-").append(name);
  file.append(kFormatMark).append(std::to_string(store::kFormatVersion));
  return std::filesystem::path(kShmDirectory) / file;
}

std::filesystem::path successor_of(const std::filesystem::path& path) {
  std::filesystem::path next = path;
  return next += ".next";
}

std::optional<FileName> parse_file_name(std::string_view file) {
  FileName is;
  // A name may hold what looks like an end of its own: the last one counts.
  const std::size_t suffix = file.rfind(kFormatMark);
  if (!file.starts_with(kPrefix) || suffix == std::string_view::npos || suffix < kPrefix.size()) return std::nullopt;
  if (!parse_number(file.substr(suffix + kFormatMark.size()), is.format)) return std::nullopt;
  const std::string_view middle = file.substr(kPrefix.size(), suffix - kPrefix.size());
  const std::size_t dash = middle.find('-');
  if (dash == std::string_view::npos || !parse_number(middle.substr(0, dash), is.owner)) return std::nullopt;
  const std::string prefix = test_prefix();
  const std::string_view name = middle.substr(dash + 1);
  if (!name.starts_with(prefix)) return std::nullopt;
  is.name = name.substr(prefix.size());
  if (!is_name(is.name)) return std::nullopt;
  return is;
}

std::string owned_by_others(const Options& options) {
  std::string users;
  std::error_code error;
  if (options.place != Place::shm) return users;
  for (const auto& entry : std::filesystem::directory_iterator(kShmDirectory, error)) {
    const std::optional<FileName> is = parse_file_name(entry.path().filename().string());
    if (!is || is->format != store::kFormatVersion || is->name != options.name) continue;
    if (is->owner != options.owner.value_or(::geteuid()))
      users += (users.empty() ? "user " : ", user ") + std::to_string(is->owner);
  }
  if (users.empty()) return users;
  return users +
         " has one of this name, which is another: one name is one segment for each user. To share it, give its "
         "owner, and its mode to all who open it";
}

}  // namespace forklore::session

namespace forklore {

void check_options(const Options& options) {
  using namespace session;
  if (options.place == Place::file) {
    if (options.path.empty()) refuse("path: place = file needs the path of the file");
    if (!options.path.is_absolute()) refuse("path: " + options.path.string() + " is not absolute");
  } else {
    if (!is_name(options.name)) {
      refuse("name: \"" + options.name + "\" is not 1 to 128 characters of A-Z a-z 0-9 . _ - that begin with no dot");
    }
    if (!options.path.empty()) refuse("path: only place = file takes one");
  }
  if (options.place > Place::anonymous) refuse("place: no such place");
  if (options.when_full.value_or(WhenFull::evict) > WhenFull::reject) refuse("when_full: no such policy");
  if (options.capacity_bytes &&
      (*options.capacity_bytes < kMinCapacityBytes || *options.capacity_bytes > kMaxCapacityBytes)) {
    refuse("capacity_bytes: " + in_words(*options.capacity_bytes) + " is not between " + in_words(kMinCapacityBytes) +
           " and " + in_words(kMaxCapacityBytes));
  }
  if (options.max_value_bytes && *options.max_value_bytes == 0) {
    refuse("max_value_bytes: 0 would take no value; leave it out to take what is there");
  }
  if (options.stripes && (*options.stripes > store::kMaxStripes || !std::has_single_bit(*options.stripes))) {
    refuse("stripes: " + std::to_string(*options.stripes) +
           " is not a power of two from 1 to 64; leave it out to have it chosen by capacity");
  }
  if (options.lock_timeout < std::chrono::milliseconds{0} || options.lock_timeout > std::chrono::hours{1}) {
    refuse("lock_timeout: not between 0 and an hour");
  }
  if ((options.mode & 0600) != 0600 || (options.mode & ~::mode_t{0666}) != 0) {
    refuse("mode: must give the owner read and write (0600), and may give 0066 beside it, nothing else");
  }
  if (options.read_only && options.place == Place::anonymous) {
    refuse("read_only: anonymous memory that nobody can write stays empty");
  }
  if (options.default_ttl == kDefaultTtl) refuse("default_ttl: cannot be kDefaultTtl itself");
  if (options.capacity_bytes) static_cast<void>(plan_or_throw(wanted_shape(options)));
}

}  // namespace forklore
