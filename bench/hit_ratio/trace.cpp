#include "trace.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <istream>
#include <stdexcept>
#include <unordered_map>

namespace bench {
namespace {

constexpr std::string_view kHeader = "op,key,key_size,value_size,ttl_s";
constexpr std::string_view kOps = "gsd";
constexpr std::uint32_t kMaxScale = 1'000'000;

[[noreturn]] void refuse(std::size_t number, std::string_view what, std::string_view line) {
  std::string shown(line.substr(0, 80));  // it may be of a file that is no text
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  throw std::runtime_error("line " + std::to_string(number) + " is " + std::string(what) + ": " + shown +
                           (line.size() > shown.size() ? "..." : ""));
}

Request parse(std::string_view line, std::size_t number) {
  const auto no_request = [&] { refuse(number, "no request", line); };
  if (line.empty() || kOps.find(line[0]) == std::string_view::npos) no_request();
  Request r{};
  const char* at = line.data() + 1;
  const char* const end = line.data() + line.size();
  for (std::uint32_t* field : {&r.key, &r.key_size, &r.value_size, &r.ttl}) {
    if (at == end || *at != ',') no_request();
    const auto [next, error] = std::from_chars(at + 1, end, *field);
    if (error != std::errc{}) no_request();
    at = next;
  }
  if (at != end) no_request();
  return r;
}

}  // namespace

Trace::Trace(std::istream& in) {
  std::unordered_map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> largest;
  std::string line;
  if (std::getline(in, line) && line != kHeader) refuse(1, "not " + std::string(kHeader), line);
  for (std::size_t number = 2; std::getline(in, line); ++number) {
    const Request r = parse(line, number);
    auto& [key, value] = largest[r.key];
    if (std::uint64_t{r.key_size} + r.value_size > std::uint64_t{key} + value) {
      keys_ += std::uint64_t{r.key_size} - key;  // of which one may shrink: then it wraps, and back
      values_ += std::uint64_t{r.value_size} - value;
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
  while (capacity(scale) < least && trace.largest_value() != 0 && scale < kMaxScale) ++scale;
  const std::uint64_t reached = capacity(scale);
  constexpr std::uint64_t kMiB = 1 << 20;
  return {percent, least == 0 || reached < least ? reached : (reached + kMiB - 1) / kMiB * kMiB, scale};
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
