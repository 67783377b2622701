// boost_text.hpp - Strings in Boost's managed shared memory, and keys looked up in maps of them with no string made.
#pragma once

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/unordered_map.hpp>
#include <boost/version.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace boost_text {

using Memory = boost::interprocess::managed_shared_memory::segment_manager;
using Text =
    boost::interprocess::basic_string<char, std::char_traits<char>, boost::interprocess::allocator<char, Memory>>;
using Allocator = boost::interprocess::allocator<std::pair<const Text, Text>, Memory>;

inline std::string_view view(const Text& text) { return {text.data(), text.size()}; }
inline std::string_view view(std::string_view text) { return text; }

struct Hash {
  template <class Any>
  std::size_t operator()(const Any& text) const {
    return std::hash<std::string_view>()(view(text));
  }
};

struct Equal {
  template <class One, class Other>
  bool operator()(const One& one, const Other& other) const {
    return view(one) == view(other);
  }
};

using UnorderedMap = boost::unordered_map<Text, Text, Hash, Equal, Allocator>;

inline std::string version() {
  return std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000);
}

}  // namespace boost_text
