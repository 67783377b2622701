// forklore.hpp - All public words in one include.
#pragma once

#include <forklore/cache.hpp>    // IWYU pragma: export
#include <forklore/code.hpp>     // IWYU pragma: export
#include <forklore/found.hpp>    // IWYU pragma: export
#include <forklore/hooks.hpp>    // IWYU pragma: export
#include <forklore/options.hpp>  // IWYU pragma: export
#include <forklore/stats.hpp>    // IWYU pragma: export
