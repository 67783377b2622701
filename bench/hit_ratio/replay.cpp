// replay.cpp - Plays a request trace through a real segment and prints what was missed, what left and why.
//
// The capacity is the whole segment: all overhead counts.
#include <getopt.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <forklore/forklore.hpp>
#include <iostream>
#include <string>

#include "trace.hpp"

namespace {

using bench::Point;
using bench::Trace;

constexpr char kUsage[] =
    "usage: xz -dc TRACE.csv.xz | %s [--at-least MIB] [--json] [PERCENT...]\n"
    "Plays the trace through a segment of PERCENT of its footprint, up to 1000; 10 and 25 unless given.\n"
    "  --at-least MIB  scales the values up until the segment has as much, up to 16384, and rounds it up to whole MiB\n"
    "  --json          a line of JSON for each size; one that no segment can have says why it was left_out\n"
    "Exit status: 1 if a size was left out, 2 if the trace cannot be played.\n";

forklore::Cache open(std::uint64_t capacity, std::size_t largest) {
  forklore::Options options{.name = "replay", .place = forklore::Place::anonymous, .capacity_bytes = capacity};
  if (largest >= 1024) options.max_value_bytes = largest;
  try {
    return forklore::Cache::open(options);
  } catch (const forklore::OpenError&) {
    options.max_value_bytes.reset();  // the largest does not fit: what is too large is a miss
    return forklore::Cache::open(options);
  }
}

/// Why no segment can be of this size; empty if one can.
std::string why_not(const Point& point, const Trace& trace, std::uint64_t least) {
  std::array<char, 256> text{};
  const auto number = [](auto n) { return static_cast<unsigned long long>(n); };
  if (point.capacity < least) {
    std::snprintf(text.data(), text.size(), "even with values x %u, %g %% of the footprint is %llu bytes, not %llu",
                  point.scale, point.percent, number(point.capacity), number(least));
  } else if (point.capacity < forklore::kMinCapacityBytes || point.capacity > forklore::kMaxCapacityBytes) {
    std::snprintf(text.data(), text.size(),
                  "%g %% of the footprint, which is %llu bytes, is %llu bytes, and a segment has %llu to %llu",
                  point.percent, number(trace.footprint(point.scale)), number(point.capacity),
                  number(forklore::kMinCapacityBytes), number(forklore::kMaxCapacityBytes));
  }
  return text.data();
}

bench::Misses play(const Trace& trace, std::uint32_t scale, forklore::Cache& cache) {
  const std::string bytes(std::size_t{trace.largest_value()} * scale, 'v');
  std::string key, value;
  bench::Misses misses;
  for (const bench::Request& r : trace.requests()) {
    bench::write_key(r, key);
    const std::size_t size = std::size_t{r.value_size} * scale;
    const bool hit = cache.get(key, value) == forklore::Code::ok;
    misses.count(size, hit);
    if (hit) continue;
    const forklore::Ttl ttl = r.ttl == 0 ? forklore::kForever : std::chrono::seconds(r.ttl);
    static_cast<void>(cache.set(key, std::string_view(bytes).substr(0, size), ttl));  // stats count the refused
  }
  return misses;
}

void print(const Point& point, const Trace& trace, const bench::Misses& m, const forklore::Stats& s, bool json) {
  const auto number = [](auto n) { return static_cast<unsigned long long>(n); };
  std::printf(
      json ? "{\"percent\": %g, \"capacity\": %llu, \"scale\": %u, \"largest\": %llu, \"object_misses\": %.5f, "
             "\"byte_misses\": %.5f, \"used\": %llu, \"evictions\": %llu, \"main_evictions\": %llu, "
             "\"large_evictions\": %llu, \"bucket_evictions\": %llu, \"expirations\": %llu, \"refused\": %llu, "
             "\"moves\": %llu, \"entries\": %llu, \"index\": %llu}\n"
           : "%5.1f %% %12llu bytes, values x %u of %llu at most: object misses %.4f  byte misses %.4f  "
             "live bytes %llu  evicted %llu (from main %llu, large ones %llu, full buckets %llu)  expired %llu  "
             "refused %llu  moved %llu  entries %llu  index bytes %llu\n",
      point.percent, number(point.capacity), point.scale, number(std::uint64_t{trace.largest_value()} * point.scale),
      m.object_ratio(), m.byte_ratio(), number(s.live_bytes), number(s.evictions), number(s.main_evictions),
      number(s.large_evictions), number(s.bucket_evictions), number(s.expirations), number(s.refused), number(s.moves),
      number(s.entries), number(s.index_bytes));
  std::fflush(stdout);
}

void print_left_out(const Point& point, const std::string& why, bool scaled, bool json, const char* program) {
  if (json) {
    std::printf("{\"percent\": %g, \"left_out\": \"%s\"}\n", point.percent, why.c_str());
    return;
  }
  const bool larger_helps = !scaled && point.capacity < forklore::kMinCapacityBytes;
  std::fprintf(stderr, "%s: left out: %s%s\n", program, why.c_str(),
               larger_helps ? "; --at-least MIB scales the values up" : "");
}

/// Bytes; 0 if the text is no number of MiB that a segment can have at most.
std::uint64_t mib(const char* text) {
  const double bytes = bench::positive_number(text) * (1 << 20);
  return bytes <= static_cast<double>(forklore::kMaxCapacityBytes) ? static_cast<std::uint64_t>(bytes) : 0;
}

int usage(const char* program, int status) {
  std::fprintf(status == 0 ? stdout : stderr, kUsage, program);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const option options[] = {{"at-least", required_argument, nullptr, 'l'},
                            {"json", no_argument, nullptr, 'j'},
                            {"help", no_argument, nullptr, 'h'},
                            {}};
  std::uint64_t least = 0;
  bool json = false;
  for (int given; (given = getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    if (given == 'h') return usage(argv[0], 0);
    if (given == 'j') json = true;
    if (given == 'l') least = mib(optarg);
    if (given == '?' || (given == 'l' && least == 0)) return usage(argv[0], 2);
  }
  std::vector<double> percents;
  for (int i = optind; i < argc; ++i) percents.push_back(bench::positive_number(argv[i]));
  if (percents.empty()) percents = {10, 25};
  if (std::any_of(percents.begin(), percents.end(), [](double p) { return p == 0 || p > 1000; })) {
    return usage(argv[0], 2);
  }
  try {
    std::ios::sync_with_stdio(false);
    const Trace trace(std::cin);
    bool all = true;
    for (const double percent : percents) {
      const Point point = bench::point_of(trace, percent, least);
      if (const std::string why = why_not(point, trace, least); !why.empty()) {
        print_left_out(point, why, least != 0, json, argv[0]);
        all = false;
        continue;
      }
      forklore::Cache cache = open(point.capacity, std::size_t{trace.largest_value()} * point.scale);
      const bench::Misses misses = play(trace, point.scale, cache);
      print(point, trace, misses, cache.stats(), json);
    }
    return all ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 2;
  }
}
