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

[[noreturn]] void refuse(Reason reason) { fail(std::errc::invalid_argument, std::move(reason)); }

constexpr const char* kNameBound = "1 to 128 characters of A-Z a-z 0-9 . _ - that begin with no dot";

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

std::string in_octal(::mode_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0%o", static_cast<unsigned>(mode));
  return text.data();
}

std::string exactly(std::uint64_t bytes) { return in_words(bytes) + " (" + std::to_string(bytes) + ")"; }

store::Shape wanted_shape(const Options& options) {
  return {options.capacity_bytes.value_or(std::size_t{0}), options.stripes.value_or(0),
          options.max_value_bytes.value_or(std::size_t{0}), options.when_full == WhenFull::reject};
}

std::optional<Reason> difference(const Options& options, const store::Shape& there) {
  const auto differ = [](Option option, const std::string& asked, const std::string& is) {
    return Reason{.option = option, .fault = asked + " is asked for, and " + is + " is there", .bound = is};
  };
  const auto word = [](bool reject) { return reject ? "reject" : "evict"; };
  if (options.capacity_bytes && *options.capacity_bytes != there.capacity) {
    return differ(Option::capacity_bytes, exactly(*options.capacity_bytes), exactly(there.capacity));
  }
  if (options.when_full && (*options.when_full == WhenFull::reject) != there.reject) {
    return differ(Option::when_full, word(!there.reject), word(there.reject));
  }
  if (options.max_value_bytes && *options.max_value_bytes != there.max_value) {
    return differ(Option::max_value_bytes, exactly(*options.max_value_bytes), exactly(there.max_value));
  }
  if (options.stripes && *options.stripes != there.stripes) {
    return differ(Option::stripes, std::to_string(*options.stripes), std::to_string(there.stripes));
  }
  return std::nullopt;
}

store::Geometry plan_or_throw(store::Shape shape) {
  if (shape.capacity == 0) shape.capacity = kDefaultCapacityBytes;
  if (const std::uint64_t most = store::largest_value(shape.capacity, shape.reject); shape.max_value > most) {
    const Message policy = shape.reject ? " with " + Message(Option::when_full, "reject") : Message();
    refuse({.option = Option::max_value_bytes,
            .fault = in_words(shape.max_value) + Message(" does not fit a ") + Option::capacity_bytes + " of " +
                     in_words(shape.capacity) + policy + ", where at most " + in_words(most) + " does",
            .bound = "at most " + exactly(most),
            .remedy = Message("raise ") + Option::capacity_bytes});
  }
  const store::Geometry geometry = store::plan(shape);
  if (geometry.chunks == 0) {
    refuse({.option = Option::stripes,
            .fault = std::to_string(shape.stripes) + Message(" stripes of a ") + Option::capacity_bytes + " of " +
                     in_words(shape.capacity) + " are too small" +
                     (shape.max_value != 0 ? " for values of " + in_words(shape.max_value) : ""),
            .remedy = "ask for fewer, or leave it out"});
  }
  return geometry;
}

std::string test_prefix() {
  const char* given = ::secure_getenv("FORKLORE_TEST_PREFIX");
  std::string prefix = given == nullptr ? "" : given;
  if (!prefix.empty() && (!is_name(prefix) || prefix.size() > 64)) {
    refuse({.fault = "FORKLORE_TEST_PREFIX in the environment must be 1 to 64 characters of A-Z a-z 0-9 . _ - that "
                     "begin with no dot, not \"" +
                     prefix + "\""});
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

Message owned_by_others(const Options& options) {
  std::string users;
  std::error_code error;
  if (options.place != Place::shm) return {};
  for (const auto& entry : std::filesystem::directory_iterator(kShmDirectory, error)) {
    const std::optional<FileName> is = parse_file_name(entry.path().filename().string());
    if (!is || is->format != store::kFormatVersion || is->name != options.name) continue;
    if (is->owner != options.owner.value_or(::geteuid()))
      users += (users.empty() ? "user " : ", user ") + std::to_string(is->owner);
  }
  if (users.empty()) return {};
  return users + " has one of this name, which is another: one name is one segment for each user. To share it, give " +
         "its " + Option::owner + ", and its " + Option::mode + " to all who open it";
}

namespace {

void check_path(const std::filesystem::path& path) {
  const Message remedy = Message("give ") + Option::path + " the absolute path of a file on a local file system";
  if (path.empty()) {
    refuse({.option = Option::path, .fault = Message(Option::place, "file") + " needs it", .remedy = remedy});
  }
  if (!path.is_absolute()) {
    refuse({.option = Option::path, .given = path.string(), .bound = "an absolute path"});
  }
}

void check_name(const Options& options) {
  if (!is_name(options.name)) {
    refuse({.option = Option::name, .given = "\"" + options.name + "\"", .bound = kNameBound});
  }
  if (!options.path.empty()) {
    refuse({.option = Option::path,
            .fault = "only " + Message(Option::place, "file") + " takes one",
            .remedy = Message("leave it out, or give ") + Message(Option::place, "file")});
  }
}

/// What belongs to the segment, each by itself.
void check_shape(const Options& options) {
  if (options.place > Place::anonymous) {
    refuse({.option = Option::place,
            .given = std::to_string(static_cast<unsigned>(options.place)),
            .bound = "shm, file or anonymous"});
  }
  if (options.when_full.value_or(WhenFull::evict) > WhenFull::reject) {
    refuse({.option = Option::when_full,
            .given = std::to_string(static_cast<unsigned>(*options.when_full)),
            .bound = "evict or reject"});
  }
  if (options.capacity_bytes &&
      (*options.capacity_bytes < kMinCapacityBytes || *options.capacity_bytes > kMaxCapacityBytes)) {
    refuse({.option = Option::capacity_bytes,
            .given = in_words(*options.capacity_bytes),
            .bound = in_words(kMinCapacityBytes) + " to " + in_words(kMaxCapacityBytes),
            .remedy = "leave it out to take what is there"});
  }
  if (options.max_value_bytes && *options.max_value_bytes == 0) {
    refuse({.option = Option::max_value_bytes,
            .given = "0",
            .bound = "1 byte at least",
            .remedy = "leave it out to take what is there"});
  }
  if (options.stripes && (*options.stripes > store::kMaxStripes || !std::has_single_bit(*options.stripes))) {
    refuse({.option = Option::stripes,
            .given = std::to_string(*options.stripes),
            .bound = "a power of two from 1 to 64",
            .remedy = Message("leave it out to have it chosen by ") + Option::capacity_bytes});
  }
}

}  // namespace

}  // namespace forklore::session

namespace forklore {

void check_options(const Options& options) {
  using namespace session;
  if (options.place == Place::file) {
    check_path(options.path);
  } else {
    check_name(options);
  }
  check_shape(options);
  if (options.lock_timeout < std::chrono::milliseconds{0} || options.lock_timeout > std::chrono::hours{1}) {
    refuse({.option = Option::lock_timeout,
            .given = std::to_string(options.lock_timeout.count()) + " ms",
            .bound = "0 to 3600 seconds"});
  }
  if ((options.mode & 0600) != 0600 || (options.mode & ~::mode_t{0666}) != 0) {
    refuse({.option = Option::mode,
            .given = in_octal(options.mode),
            .bound = "0600, or that and some of 0066",
            .remedy = "its owner must be able to read and write it, and nobody can execute it"});
  }
  if (options.read_only && options.place == Place::anonymous) {
    refuse({.option = Option::read_only,
            .fault = "anonymous memory that nobody can write stays empty",
            .remedy = Message("leave it out, or take another ") + Option::place});
  }
  if (options.default_ttl == kDefaultTtl) {
    refuse({.option = Option::default_ttl,
            .given = "kDefaultTtl",
            .bound = "a time to live",
            .remedy = "kForever never expires"});
  }
  if (options.capacity_bytes) static_cast<void>(plan_or_throw(wanted_shape(options)));
}

}  // namespace forklore
