// replay.cpp - Plays a request trace through a real segment, read-through, and prints what was missed.
//
// A trace is lines of op,key,key_size,value_size,ttl_s with a header line, on standard input. A get that misses sets
// the key; a set sets it; a delete erases it. The capacity is the whole segment: all overhead counts.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <forklore/forklore.hpp>
#include <iostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Request {
  std::uint32_t key;
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t ttl;
};

std::vector<Request> read_trace(std::istream& in) {
  std::vector<Request> requests;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    Request r{};
    const char* at = line.data() + 2;
    const char* const end = line.data() + line.size();
    for (std::uint32_t* field : {&r.key, &r.key_size, &r.value_size, &r.ttl}) {
      at = std::from_chars(at, end, *field).ptr + 1;
    }
    requests.push_back(r);
  }
  return requests;
}

/// Sum over the keys of the largest key and value each had.
std::uint64_t footprint_of(const std::vector<Request>& requests) {
  std::unordered_map<std::uint32_t, std::uint32_t> largest;
  for (const Request& r : requests) {
    auto& size = largest[r.key];
    size = std::max(size, r.key_size + r.value_size);
  }
  std::uint64_t sum = 0;
  for (const auto& [key, size] : largest) sum += size;
  return sum;
}

void play(const std::vector<Request>& requests, std::uint64_t capacity, double percent) {
  const std::string name = "replay-" + std::to_string(::getpid());
  std::uint32_t largest = 0;
  for (const Request& r : requests) largest = std::max(largest, r.value_size);
  forklore::Options options{.name = name, .capacity_bytes = capacity, .max_value_bytes = largest};
  if (largest < 1024) options.max_value_bytes = 0;
  forklore::Cache cache = [&] {
    try {
      return forklore::Cache::open(options);
    } catch (const forklore::OpenError&) {
      options.max_value_bytes = 0;  // the largest does not fit: what is too large is a miss
      return forklore::Cache::open(options);
    }
  }();
  std::string value;
  std::string key;
  const std::string bytes(largest, 'v');
  std::uint64_t misses = 0, asked_bytes = 0, missed_bytes = 0, refused = 0;
  for (const Request& r : requests) {
    key = std::to_string(r.key);
    key.insert(0, r.key_size > key.size() ? r.key_size - key.size() : 0, '0');
    const std::string_view fresh(bytes.data(), r.value_size);
    const forklore::Ttl ttl = r.ttl == 0 ? forklore::kForever : std::chrono::seconds(r.ttl);
    asked_bytes += r.value_size;
    if (cache.get(key, value) == forklore::Code::ok) continue;
    ++misses;
    missed_bytes += r.value_size;
    refused += cache.set(key, fresh, ttl) != forklore::Code::ok;
  }
  const forklore::Stats s = cache.stats();
  std::printf(
      "%5.1f %% %12llu bytes  object misses %.4f  byte misses %.4f  evictions %llu (buckets %llu)  moves %llu  "
      "refused %llu  live %.1f %%  index %.1f %%  stripes %u chunks %u x %zu\n",
      percent, static_cast<unsigned long long>(capacity),
      static_cast<double>(misses) / static_cast<double>(requests.size()),
      static_cast<double>(missed_bytes) / static_cast<double>(asked_bytes),
      static_cast<unsigned long long>(s.evictions), static_cast<unsigned long long>(s.bucket_evictions),
      static_cast<unsigned long long>(s.moves), static_cast<unsigned long long>(refused),
      100.0 * static_cast<double>(s.live_bytes) / static_cast<double>(capacity),
      100.0 * static_cast<double>(s.index_bytes) / static_cast<double>(capacity), s.stripes, s.chunks, s.chunk_bytes);
  static_cast<void>(forklore::remove_segment(name));
}

}  // namespace

int main(int argc, char** argv) {
  const bool help = argc == 2 && std::string_view(argv[1]) == "--help";
  std::vector<double> percents;
  bool good = true;
  for (int i = 1; i < argc && !help; ++i) {
    char* end = nullptr;
    const double percent = std::strtod(argv[i], &end);
    good &= end != argv[i] && *end == '\0' && percent > 0 && percent <= 1000;
    percents.push_back(percent);
  }
  if (help || !good) {
    std::fprintf(help ? stdout : stderr,
                 "usage: xz -dc TRACE.csv.xz | %s [PERCENT...]\n"
                 "PERCENT of the trace's footprint that the segment gets, up to 1000; 10 and 25 unless given.\n",
                 argv[0]);
    return help ? 0 : 2;
  }
  if (percents.empty()) percents = {10, 25};
  const std::vector<Request> requests = read_trace(std::cin);
  if (requests.empty()) {
    std::fprintf(stderr, "%s: there is no request on standard input\n", argv[0]);
    return 2;
  }
  const std::uint64_t footprint = footprint_of(requests);
  for (const double percent : percents) {
    play(requests, static_cast<std::uint64_t>(static_cast<double>(footprint) * percent / 100), percent);
  }
}
