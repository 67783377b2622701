// workload.hpp - What is measured, by name, and the keys and values that it is measured with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

enum class Kind : std::uint8_t { get, miss, set, overwrite, mixed, increment, get_many };

struct Workload {
  std::string_view name;
  std::string_view what;
  Kind kind;
  std::size_t keys;       // how many there are; 0: as many as --keys says
  std::size_t batch = 1;  // keys of a call
};

inline constexpr std::size_t kHotKeys = 1000;

inline constexpr Workload kWorkloads[] = {
    {"get-hot", "read one of 1,000 keys", Kind::get, kHotKeys},
    {"get-one", "read the same key again and again", Kind::get, 1},
    {"get-random", "read any of a million keys", Kind::get, 0},
    {"get-many-10", "read 10 of a million keys in one call", Kind::get_many, 0, 10},
    {"get-many-100", "read 100 of a million keys in one call", Kind::get_many, 0, 100},
    {"miss", "read keys that are not there, beside a million that are", Kind::miss, 0},
    {"overwrite-hot", "store one of 1,000 keys anew", Kind::overwrite, kHotKeys},
    {"overwrite-random", "store any of a million keys anew", Kind::overwrite, 0},
    {"mixed", "nine reads and one write, by Zipf's law (0.99) over a million keys", Kind::mixed, 0},
    // Behind all others over these entries, as a store that has taken and erased so many is no longer as it was loaded.
    {"set", "store new keys, beside a million", Kind::set, 0},
    {"increment", "add one to one of 1,000 integers", Kind::increment, kHotKeys},
};

const Workload* find_workload(std::string_view name);

/// The entries of a stage: workloads over the same keys and size of values share one, and it is loaded once.
struct Entries {
  std::size_t keys;
  std::size_t value_bytes;
  friend bool operator==(const Entries&, const Entries&) = default;
};
Entries entries_of(const Workload& workload, std::size_t keys, std::size_t value_bytes);

/// 24 bytes, as the names of views and rows tend to have.
std::string key_name(std::string_view prefix, std::size_t number);

/// Keys in the order in which a worker uses them, so that what is measured is the store and not the search for the key.
/// Each worker (its number is given) has an order of its own.
std::vector<std::string> key_sequence(const Workload& workload, const Entries& entries, unsigned worker);

/// Whether it leaves every entry where and as it lies. Those that do take turns with one another, round by round.
bool reads_only(const Workload& workload);

/// Whether a key may be used but once in a round: it must be new. Then a round has no more calls than new_keys().
bool uses_up_keys(const Workload& workload);
std::size_t new_keys(const Entries& entries);

}  // namespace bench
