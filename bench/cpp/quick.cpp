// quick.cpp - What a shared value costs beside a private one: get and set against std::unordered_map in one run.
//
// The map is the floor: neither shared nor bounded, read with existing std::string keys into a reused string. The two
// take turns, round by round; printed are medians and the ratio of the rounds.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <forklore/forklore.hpp>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::size_t kValueBytes = 100;
constexpr int kRounds = 9;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

template <class Work>
double nanoseconds_each(std::size_t operations, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() /
         static_cast<double>(operations);
}

template <class Ours, class Theirs>
void compare(const char* what, std::size_t operations, double bar, Ours ours, Theirs theirs) {
  std::vector<double> a, b, ratio;
  for (int round = 0; round < kRounds; ++round) {
    a.push_back(nanoseconds_each(operations, ours));
    b.push_back(nanoseconds_each(operations, theirs));
    ratio.push_back(a.back() / b.back());
    if (::isatty(2) != 0) std::fprintf(stderr, "\r%-28s round %d of %d ", what, round + 1, kRounds);
  }
  if (::isatty(2) != 0) std::fprintf(stderr, "\r%50s\r", "");
  std::printf("%-28s %6.2fx  (bar %.1fx)   Forklore %7.1f ns   std::unordered_map %7.1f ns\n", what, median(ratio), bar,
              median(a), median(b));
}

void run(std::size_t keys, std::size_t operations, std::size_t capacity, double get_bar, const char* label) {
  const std::string name = "quick-bench-" + std::to_string(::getpid());
  forklore::Cache cache = forklore::Cache::open({.name = name, .capacity_bytes = capacity});
  std::unordered_map<std::string, std::string> map;
  std::vector<std::string> names;
  const std::string value(kValueBytes, 'v');
  for (std::size_t i = 0; i < keys; ++i) {
    char text[25];
    std::snprintf(text, sizeof text, "key:%020zu", i);
    names.emplace_back(text);
  }
  for (const std::string& key : names) {
    if (cache.set(key, value) != forklore::Code::ok) std::exit(1);
    map[key] = value;
  }
  std::mt19937_64 random(1);
  std::vector<std::uint32_t> order(operations);
  for (auto& i : order) i = static_cast<std::uint32_t>(random() % keys);

  std::string out;
  std::size_t misses = 0;
  for (int warm = 0; warm < 3; ++warm) {  // what is read again and again is known to be so after three reads
    for (const std::string& key : names) misses += cache.get(key, out) != forklore::Code::ok;
  }
  compare((std::string("get, ") + label).c_str(), operations, get_bar,
          [&] {
            for (auto i : order) misses += cache.get(names[i], out) != forklore::Code::ok;
          },
          [&] {
            for (auto i : order) out.assign(map.find(names[i])->second);
          });
  compare((std::string("set, ") + label).c_str(), operations, 3,
          [&] {
            for (auto i : order) misses += cache.set(names[i], value) != forklore::Code::ok;
          },
          [&] {
            for (auto i : order) map.find(names[i])->second.assign(value);
          });
  if (misses != 0) std::printf("  %zu calls failed\n", misses);
  static_cast<void>(forklore::remove_segment(name));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    std::printf("usage: %s\n24-byte keys, %zu-byte values, one thread; medians of %d rounds.\n", argv[0], kValueBytes,
                kRounds);
    return std::string_view(argv[1]) == "--help" ? 0 : 2;
  }
  run(1000, 2'000'000, 32 << 20, 2.0, "1,000 keys");
  run(1'000'000, 1'000'000, 512 << 20, 1.2, "1,000,000 keys at random");
}
