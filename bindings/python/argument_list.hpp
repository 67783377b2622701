// argument_list.hpp - The arguments of Cache() beside name and capacity: those of a handle, which attach() takes too,
// and those of the segment. A new one is a line here. What lacks it then does not compile, or fails
// tests/python/test_lists.py: the stub, Django's OPTIONS and the pages are held to it.
#pragma once

// clang-format off
#define FORKLORE_OF_HANDLE(X) \
  X(place) \
  X(path) \
  X(default_ttl) \
  X(lock_timeout) \
  X(mode) \
  X(owner) \
  X(serializer) \
  X(compress_above) \
  X(compression) \
  X(read_only)
#define FORKLORE_OF_SEGMENT(X) \
  X(max_value) \
  X(stripes) \
  X(when_full)
// clang-format on
