// The one place where doctest itself is compiled, which takes longer than most tests do.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
