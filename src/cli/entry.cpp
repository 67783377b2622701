#include "cli/entry.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <forklore/cache.hpp>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/target.hpp"
#include "cli/value.hpp"

namespace forklore::cli {
namespace {

/// Words that name a segment and keys in it.
struct KeyWords {
  bool json = false;
  Target target;
  bool are_escaped = false;

  void add_to(CLI::App& command) {
    target.add_to(command);
    command.add_flag("--escaped", are_escaped, "keys are given as the command keys prints them");
  }
  [[nodiscard]] std::string key_of(const std::string& word) const {
    std::string key = are_escaped ? unescaped(word) : word;
    if (!is_key(key)) check(Code::invalid_key, key);
    return key;
  }
};

struct GetWords : KeyWords {
  std::string word;
  bool raw = false;

  void add_to(CLI::App& command) {
    KeyWords::add_to(command);
    command.add_option("KEY", word, "the key")->required();
    command.add_flag("--raw", raw, "writes the bytes as they are stored, and no line end; not to a terminal");
  }

  Exit run(Output& out) const {
    const std::string key = key_of(word);
    if (raw && json) throw Failure("give --raw or --json, not both", Exit::wrong_words);
    if (raw && is_terminal()) throw Failure("--raw does not write to a terminal: send it to a file or a program");
    Cache cache = target.to_look();
    EntryInfo info;
    std::string bytes;
    Found found;
    check(cache.info(key, info), key);
    check(cache.get(key, bytes, &found), key);
    info.size = found.size;
    info.format = found.format;
    if (raw) {
      out.raw(bytes);
      return Exit::done;
    }
    std::optional<Shown> value = show(bytes, found.format);
    if (json) {
      Json entry = json_of_entry(key, info);
      if (value) entry["value"] = std::move(value->json);
      out.object(entry);
      return Exit::done;
    }
    if (!value) {
      throw Failure(escaped(key) + " is not shown: " + format_name(found.format) + ", " + std::to_string(found.size) +
                    " bytes, which only who stored it can read; --raw gives the bytes");
    }
    out.line(readable(value->text));
    return Exit::done;
  }
};

/// "90", "1.5h": a time to live.
Ttl ttl_of(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"", 1e3},  {"ms", 1},    {"s", 1e3},
                                                            {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end.ptr, static_cast<std::size_t>(text.data() + text.size() - end.ptr));
  constexpr double kMost = 1e17;  // milliseconds: it fits, and nobody waits for it
  for (const auto& [name, milliseconds] : kUnits) {
    const double time = std::ceil(number * milliseconds);
    if (end.ec == std::errc{} && unit == name && time > 0 && time < kMost) return Ttl(static_cast<Ttl::rep>(time));
  }
  throw Failure("--ttl: " + escaped(text) + " is no time such as 90, 250ms, 5m, 1.5h or 7d", Exit::wrong_words);
}

bool is_ascii(std::string_view text) noexcept {
  for (const char byte : text) {
    if (static_cast<unsigned char>(byte) > 0x7F) return false;
  }
  return true;
}

struct SetWords : KeyWords {
  std::string word, value, ttl, type = "str";

  void add_to(CLI::App& command) {
    KeyWords::add_to(command);
    command.add_option("KEY", word, "the key")->required();
    command.add_option("VALUE", value, "the value")->required();
    command.add_option("--ttl", ttl, "how long it lives: 90, 250ms, 5m, 1.5h, 7d; else for ever")->type_name("TIME");
    command.add_option("--type", type, "what a Python program gets: str, bytes or int; C++ gets the bytes of both")
        ->type_name("TYPE");
  }

  Exit run(Output& out) const {
    const std::string key = key_of(word);
    const auto [bytes, format] = stored();
    const Ttl left = ttl.empty() ? kForever : ttl_of(ttl);
    check(target.to_change().set(key, bytes, left, format), key);
    if (json) out.object(json_of_entry(key, {.size = bytes.size(), .format = format, .left = left}));
    return Exit::done;
  }

 private:
  [[nodiscard]] std::pair<std::string, std::uint16_t> stored() const {
    if (type == "bytes") return {value, kBytes};
    if (type == "str") {
      if (!is_utf8(value)) throw Failure("VALUE is no UTF-8: give --type bytes", Exit::wrong_words);
      return {value, is_ascii(value) ? kAscii : kText};
    }
    if (type != "int") throw Failure("--type is str, bytes or int, not " + escaped(type), Exit::wrong_words);
    std::int64_t number = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), number);
    if (end.ec != std::errc{} || end.ptr != value.data() + value.size()) {
      throw Failure(escaped(value) + " is no integer of 64 bits", Exit::wrong_words);
    }
    return {std::string(reinterpret_cast<const char*>(&number), sizeof number), kInteger};
  }
};

struct DeleteWords : KeyWords {
  CLI::App* command = nullptr;

  // No option takes the keys: CLI11 would split one such as "[a,b]" into two.
  void add_to(CLI::App& of) {
    KeyWords::add_to(of);
    of.allow_extras();
    command = &of;
  }

  Exit run(Output& out) const {
    const std::vector<std::string> keys = given();
    Cache cache = target.to_change();
    std::uint64_t deleted = 0;
    Json absent = Json::array();
    for (const std::string& key : keys) {
      const Code code = cache.erase(key);
      if (code != Code::not_found) check(code, key);
      if (code == Code::ok) ++deleted;
      if (code == Code::not_found) absent.push_back(json_of(key));
      if (code == Code::not_found && !json) out.line("not there: key " + escaped(key));
    }
    if (json) out.object(Json{{"deleted", deleted}, {"absent", absent}});
    return absent.empty() ? Exit::done : Exit::refused;
  }

 private:
  [[nodiscard]] std::vector<std::string> given() const {
    std::vector<std::string> keys;
    bool may_be_option = true;
    for (const std::string& word : command->remaining()) {
      if (may_be_option && word == "--") {
        may_be_option = false;
        continue;
      }
      if (may_be_option && word.starts_with('-')) {
        throw Failure("there is no option " + escaped(word) + "; --help says more", Exit::wrong_words);
      }
      keys.push_back(key_of(word));
    }
    if (keys.empty()) throw Failure("KEY is required; --help says more", Exit::wrong_words);
    return keys;
  }
};

}  // namespace

Json json_of_ttl(Ttl left) {
  if (left == kForever) return nullptr;
  return static_cast<double>(left.count()) / 1000;
}

Json json_of_entry(const std::string& key, const EntryInfo& info) {
  return {{"key", json_of(key)},
          {"format", format_name(info.format)},
          {"bytes", info.size},
          {"ttl", json_of_ttl(info.left)}};
}

void check(Code code, const std::string& key) {
  const std::string whose = "key " + escaped(key);
  switch (code) {
    case Code::ok:
      return;
    case Code::not_found:
      throw Failure("not there: " + whose);
    case Code::invalid_key:
      throw Failure(
          "a key is 1 to " + std::to_string(kMaxKeyBytes) + " bytes, and this one has " + std::to_string(key.size()),
          Exit::wrong_words);
    case Code::too_large:
      throw Failure(whose + ": the value is larger than max_value_bytes, which stats shows");
    case Code::full:
      throw Failure(whose + ": the segment is full, and takes nothing out for a new entry (when_full: reject)");
    case Code::busy:
      throw Failure(whose + ": another process held the lock for too long; try again");
    default:
      throw Failure(whose + ": " + std::string(to_string(code)));
  }
}

void add_entry_commands(Program& program) {
  add_command<GetWords>(program, "get", "Prints a value. It counts no hit. What a terminal must not see is escaped");
  add_command<SetWords>(program, "set", "Stores a value");
  add_command<DeleteWords>(program, "delete", "Removes entries: delete NAME KEY...; exit code 1 if one was not there");
}

}  // namespace forklore::cli
