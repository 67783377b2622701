#include "trace.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <istream>
#include <stdexcept>
#include <unordered_map>

namespace bench {
namespace {

Request parse(const std::string& line, std::size_t number) {
  Request r{};
  const char* at = line.data() + std::min<std::size_t>(line.find(','), line.size());
  const char* const end = line.data() + line.size();
  for (std::uint32_t* field : {&r.key, &r.key_size, &r.value_size, &r.ttl}) {
    const auto [next, error] = std::from_chars(at + (at != end), end, *field);
    if (error != std::errc{}) throw std::runtime_error("line " + std::to_string(number) + " is no request: " + line);
    at = next;
  }
  return r;
}

}  // namespace

Trace::Trace(std::istream& in) {
  std::unordered_map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> largest;
  std::string line;
  std::getline(in, line);
  for (std::size_t number = 2; std::getline(in, line); ++number) {
    const Request r = parse(line, number);
    auto& [key, value] = largest[r.key];
    if (r.key_size + r.value_size > key + value) {
      keys_ += r.key_size - key;
      values_ += r.value_size - value;
      key = r.key_size;
      value = r.value_size;
    }
    largest_ = std::max(largest_, r.value_size);
    requests_.push_back(r);
  }
  if (requests_.empty()) throw std::runtime_error("there is no request in the trace");
}

Point point_of(const Trace& trace, double percent, std::uint64_t least) {
  const auto capacity = [&](std::uint32_t scale) {
    return static_cast<std::uint64_t>(static_cast<double>(trace.footprint(scale)) * percent / 100);
  };
  std::uint32_t scale = 1;
  while (least != 0 && trace.largest_value() != 0 && capacity(scale) < least) ++scale;
  constexpr std::uint64_t kMiB = 1 << 20;
  return {percent, least == 0 ? capacity(1) : (capacity(scale) + kMiB - 1) / kMiB * kMiB, scale};
}

void write_key(const Request& request, std::string& key) {
  key = std::to_string(request.key);
  key.insert(0, request.key_size > key.size() ? request.key_size - key.size() : 0, '0');
}

double positive_number(std::string_view text) noexcept {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && std::isfinite(number) && number > 0 ? number : 0;
}

}  // namespace bench
