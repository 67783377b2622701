#include "forklore/pattern.hpp"

#include <doctest/doctest.h>

#include <random>

#include "seed.hpp"

using namespace forklore;

namespace {

bool matches(std::string_view pattern, std::string_view key) { return Pattern(pattern).matches(key); }

/// The same by trying everything, for patterns of letters, *, ? and \.
bool tried(std::string_view pattern, std::string_view key) {
  if (pattern.empty()) return key.empty();
  if (pattern[0] == '*') return tried(pattern.substr(1), key) || (!key.empty() && tried(pattern, key.substr(1)));
  if (key.empty()) return false;
  const bool escaped = pattern[0] == '\\' && pattern.size() > 1;
  const std::size_t size = escaped ? 2 : 1;
  const bool same = (pattern[0] == '?') || pattern[size - 1] == key[0];
  return same && tried(pattern.substr(size), key.substr(1));
}

}  // namespace

TEST_CASE("a pattern is for the whole key") {
  CHECK(matches("", ""));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("page", "page"));
  CHECK_FALSE(matches("page", "pages"));
  CHECK_FALSE(matches("page", "pag"));
  CHECK(matches("*", ""));
  CHECK(matches("*", "anything"));
  CHECK(matches("***", "a"));
  CHECK(matches("page:*", "page:"));
  CHECK(matches("*:1", "page:1"));
  CHECK(matches("p*g*:*", "page:1"));
  CHECK_FALSE(matches("p*g*:*2", "page:1"));
  CHECK(matches("*ab", "aab"));
  CHECK(matches("h?llo", "hallo"));
  CHECK_FALSE(matches("h?llo", "hllo"));
  CHECK_FALSE(matches("?", ""));
  CHECK(matches("a?c", std::string_view("a\0c", 3)));
}

TEST_CASE("classes of bytes") {
  CHECK(matches("h[ae]llo", "hello"));
  CHECK_FALSE(matches("h[ae]llo", "hillo"));
  CHECK_FALSE(matches("h[ae]llo", "hllo"));
  CHECK(matches("[a-c]", "b"));
  CHECK(matches("[c-a]", "b"));  // either way round
  CHECK_FALSE(matches("[a-c]", "d"));
  CHECK(matches("[^a-c]", "d"));
  CHECK_FALSE(matches("[^a-c]", "a"));
  CHECK_FALSE(matches("[^a]", ""));
  CHECK(matches("[a^]", "^"));
  CHECK(matches("[-a]", "-"));
  CHECK(matches("[a\\-c]", "-"));
  CHECK_FALSE(matches("[a\\-c]", "b"));
  CHECK(matches("[\\]]", "]"));
  CHECK(matches("[*?]", "?"));
  CHECK_FALSE(matches("[*]", "a"));
  CHECK_FALSE(matches("[]", "]"));  // empty: nothing is in it
  CHECK(matches("[^]", "a"));
  CHECK(matches("*[0-9]", "v1a2"));
  CHECK(matches("[\x80-\xff]", "\xc3"));
  CHECK(matches("[abc", "c"));  // ends with the pattern
  CHECK(matches("[a-", "-"));
  CHECK(matches("[\\", "\\"));
}

TEST_CASE("what has a backslash before it stands for itself") {
  CHECK(matches("\\*", "*"));
  CHECK_FALSE(matches("\\*", "a"));
  CHECK(matches("\\[a]", "[a]"));
  CHECK(matches("\\a", "a"));
  CHECK(matches("a\\\\", "a\\"));
  CHECK(matches("a\\", "a\\"));  // the last byte
}

TEST_CASE("the prefix is what each key that matches begins with") {
  CHECK(Pattern("page:*").prefix() == "page:");
  CHECK(Pattern("page:1").prefix() == "page:1");
  CHECK(Pattern("*").prefix().empty());
  CHECK(Pattern("a?b").prefix() == "a");
  CHECK(Pattern("a[b]").prefix() == "a");
  CHECK(Pattern("\\*a\\[*").prefix() == "*a[");
  CHECK(Pattern("a\\").prefix() == "a\\");
}

TEST_CASE("many stars take no time beyond the product of the lengths") {
  const std::string key(1024, 'a');
  std::string pattern;
  for (int i = 0; i < 512; ++i) pattern += "*a";
  CHECK(matches(pattern, key));
  CHECK_FALSE(matches(pattern + "b", key));
}

TEST_CASE("as by trying everything") {
  const std::uint64_t seed = tests::seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto draw = [&](std::string_view letters, std::size_t most) {
    std::string drawn(random() % (most + 1), ' ');
    for (char& c : drawn) c = letters[random() % letters.size()];
    return drawn;
  };
  int matched = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string pattern = draw("ab*?\\", 7);
    const std::string key = draw("ab*", 7);
    CAPTURE(pattern);
    CAPTURE(key);
    const bool expected = tried(pattern, key);
    matched += expected;
    REQUIRE(Pattern(pattern).matches(key) == expected);
    REQUIRE((!expected || key.starts_with(Pattern(pattern).prefix())));
  }
  CHECK(matched > 1000);
}
