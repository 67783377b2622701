#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

namespace bench {
namespace {

constexpr std::size_t kShortest = 2048;  // of a sequence
constexpr std::size_t kNewKeys = 50'000;
constexpr std::size_t kNewBytes = 64 << 20;
constexpr double kZipf = 0.99;

}  // namespace

const Workload* find_workload(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kWorkloads), std::end(kWorkloads),
                                         [&](const Workload& workload) { return workload.name == name; });
  return found == std::end(kWorkloads) ? nullptr : found;
}

Entries entries_of(const Workload& workload, std::size_t keys, std::size_t value_bytes) {
  return {workload.keys == 0 ? keys : kHotKeys, value_bytes};
}

std::string key_name(std::string_view prefix, std::size_t number) {
  char text[25];
  std::snprintf(text, sizeof text, "%.3s:%020zu", prefix.data(), number);
  return text;
}

bool reads_only(const Workload& workload) {
  return workload.kind == Kind::get || workload.kind == Kind::miss || workload.kind == Kind::get_many;
}

bool uses_up_keys(const Workload& workload) { return workload.kind == Kind::set; }

std::size_t new_keys(const Entries& entries) {
  return std::min(kNewKeys, kNewBytes / std::max<std::size_t>(entries.value_bytes, 1));
}

std::vector<std::string> key_sequence(const Workload& workload, const Entries& entries, unsigned worker) {
  std::vector<std::string> sequence;
  if (uses_up_keys(workload)) {
    const std::size_t keys = new_keys(entries);
    for (std::size_t i = 0; i < keys; ++i) sequence.push_back(key_name("new", worker * keys + i));
    return sequence;
  }
  const std::size_t keys = workload.keys == 0 ? entries.keys : workload.keys;
  const char* const prefix = workload.kind == Kind::miss ? "not" : workload.kind == Kind::increment ? "cnt" : "key";
  std::mt19937_64 random(worker + 1);
  sequence.reserve(std::max(keys, kShortest));
  if (workload.kind == Kind::mixed) {
    std::vector<double> weights(keys);
    for (std::size_t i = 0; i < keys; ++i) weights[i] = std::pow(static_cast<double>(i + 1), -kZipf);
    std::discrete_distribution<std::size_t> rank(weights.begin(), weights.end());
    // A prime far from the number of keys spreads the frequent ones.
    while (sequence.size() < sequence.capacity()) {
      sequence.push_back(key_name(prefix, rank(random) * 1'000'003 % keys));
    }
    return sequence;
  }
  while (sequence.size() < sequence.capacity()) sequence.push_back(key_name(prefix, random() % keys));
  return sequence;
}

}  // namespace bench
