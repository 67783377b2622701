// Makes the golden segment of the present format: write_golden FOLDER. scripts/golden.sh runs it.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>

#include "golden/contents.hpp"

using namespace forklore;

namespace {

bool fill(Cache& cache) {
  bool good = true;
  for (int i = 0; i < golden::kKeys; ++i) good &= cache.set(golden::key(i), golden::value(i), kForever) == Code::ok;
  for (int i = 0; i < golden::kKeys; i += 7) good &= cache.get(golden::key(i)).has_value();  // raises frequencies
  std::int64_t now = 0;
  good &= cache.increment("count", 1, now, golden::kCount - 1, kForever) == Code::ok && now == golden::kCount;
  good &= cache.set("spilled", golden::spilled(), kForever) == Code::ok;
  good &= cache.set("long", "lived", golden::kLong) == Code::ok;
  good &= cache.set("erased", "before", kForever) == Code::ok && cache.erase("erased") == Code::ok;
  const std::string computed = get_or_compute(cache, "computed", golden::kLong, [] { return std::string("once"); },
                                              {.stale_for = std::chrono::hours(1)});
  return good && computed == "once" && cache.verify().empty();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: write_golden FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path path = std::filesystem::absolute(arguments[1]) / golden::file_name(store::kFormatVersion);
  try {
    std::filesystem::remove(path);
    {
      Options options = golden::options(path);
      options.capacity_bytes = golden::kCapacity;
      Cache cache = Cache::open(options);
      if (!fill(cache)) throw std::runtime_error("could not be filled");
    }
    // Of no machine: whoever opens a copy takes it over from another boot.
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const char none[sizeof(base::LockDomain)] = {};
    file.seekp(offsetof(store::SegmentHeader, domain));
    file.write(none, sizeof none);
    file.seekp(offsetof(store::SegmentHeader, device));
    file.write(none, 2 * sizeof(std::uint64_t));
    if (!file.flush()) throw std::runtime_error("could not be written");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), error.what());
    return 1;
  }
  std::printf("%s\n", path.c_str());
}
