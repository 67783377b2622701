// box.hpp - A small cache of one stripe, under a name of its own.
#pragma once

#include "forklore/cache.hpp"
#include "unique_name.hpp"

namespace forklore::tests {

struct Box {
  [[nodiscard]] Cache open(Options options = {}) const {
    options.name = name;
    return Cache::open(options);
  }
  UniqueName name;
  Cache cache = open({.capacity_bytes = 1 * MiB, .stripes = 1});
};

}  // namespace forklore::tests
