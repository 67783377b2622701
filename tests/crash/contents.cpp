#include "crash/contents.hpp"

namespace forklore::crash {

Contents read_all(Cache& cache, std::string& fault) {
  Contents all;
  std::vector<std::string> keys;
  for (Cursor cursor; !cursor.finished();) {
    if (cache.scan(cursor, 1000, "", keys) != Code::ok) fault = "scan does not answer ok";
    if (!fault.empty()) return all;
  }
  for (const std::string& key : keys) {
    Entry entry;
    Found found;
    Ttl left{};
    const Code code = cache.get(key, entry.value, &found);
    if (code != Code::ok || cache.ttl(key, left) != Code::ok) {
      fault = key + ": is in a scan and cannot be read: " + std::string(to_string(code));
      return all;
    }
    entry.format = found.format;
    entry.hours = left == kForever ? -1 : (left + std::chrono::minutes(30)) / std::chrono::hours(1);
    if (!all.emplace(key, std::move(entry)).second) fault = key + ": is there twice";
  }
  return all;
}

std::string compare(const Contents& now, const Contents& before, const Contents& after) {
  const auto find = [](const Contents& in, const std::string& key) {
    const auto at = in.find(key);
    return at == in.end() ? nullptr : &at->second;
  };
  const auto same = [](const Entry* a, const Entry* b) { return a == nullptr || b == nullptr ? a == b : *a == *b; };
  const auto check = [&](const std::string& key) -> std::string {
    const Entry* is = find(now, key);
    const Entry* old = find(before, key);
    const Entry* fresh = find(after, key);
    if (same(is, old) || same(is, fresh)) return {};
    if (is == nullptr) return key + ": is lost";
    if (old == nullptr && fresh == nullptr) return key + ": was never stored";
    return key + ": is neither as before the call nor as after it (" + std::to_string(is->value.size()) + " bytes, " +
           std::to_string(is->hours) + " hours)";
  };
  for (const Contents* all : {&before, &after, &now}) {
    for (const auto& [key, entry] : *all) {
      if (std::string fault = check(key); !fault.empty()) return fault;
    }
  }
  return {};
}

}  // namespace forklore::crash
