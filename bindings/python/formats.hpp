// formats.hpp - How a Python value lies in an entry: its format and what its bytes are.
//
// | format       | Python value                | bytes                                                  |
// |--------------|-----------------------------|--------------------------------------------------------|
// |  0 bytes     | bytes                       | themselves                                             |
// |  1 integer   | int from -2^63 to 2^63 - 1  | a std::int64_t in this machine's order; incr adds here |
// |  2 ascii     | str, all of it ASCII        | one a character                                        |
// |  3 text      | str of none of these        | UTF-8; lone surrogates as Python's "surrogatepass"     |
// |  4 real      | float                       | a double in this machine's order                       |
// |  5 true      | True                        | none                                                   |
// |  6 false     | False                       | none                                                   |
// |  7 none      | None                        | none                                                   |
// |  8 big       | int beyond 64 bits          | two's complement, lowest byte first                    |
// |  9 latin     | str, all of it Latin-1      | one a character                                        |
// | 10 wide      | str, all of it below 2^16   | two a character, in this machine's order; where UTF-8  |
// |              |                             | would take no less                                     |
// | 16 pickle    | anything else               | pickle, newest protocol                                |
// | 17 json      | anything else               | json.dumps, ASCII                                      |
// | 18 msgpack   | anything else               | msgpack.packb                                          |
//
// Strings of one or two bytes a character are copied as Python has them in memory; UTF-8 is decoded at each read.
// Formats below 16 are for values of exactly that type and need no serializer. Those from 16 are read only by a
// handle with that serializer. 0 and 1 are the library's own, so C++ and Python share bytes and counters.
#pragma once

#include <cstdint>
#include <forklore/found.hpp>

namespace forklore::python {

inline constexpr std::uint16_t kAscii = 2;
inline constexpr std::uint16_t kText = 3;
inline constexpr std::uint16_t kReal = 4;
inline constexpr std::uint16_t kTrue = 5;
inline constexpr std::uint16_t kFalse = 6;
inline constexpr std::uint16_t kNone = 7;
inline constexpr std::uint16_t kBig = 8;
inline constexpr std::uint16_t kLatin = 9;
inline constexpr std::uint16_t kWide = 10;
inline constexpr std::uint16_t kPickle = 16;
inline constexpr std::uint16_t kJson = 17;
inline constexpr std::uint16_t kMsgpack = 18;

/// What turns a value of any other type into bytes and back. Its number is its format; none has no format.
enum class Serializer : std::uint16_t { none = 0, pickle = kPickle, json = kJson, msgpack = kMsgpack };

}  // namespace forklore::python
