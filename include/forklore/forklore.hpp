// forklore.hpp - All public words in one include.
#pragma once

#include <forklore/cache.hpp>       // IWYU pragma: export
#include <forklore/code.hpp>        // IWYU pragma: export
#include <forklore/compute.hpp>     // IWYU pragma: export
#include <forklore/counts.hpp>      // IWYU pragma: export
#include <forklore/export.hpp>      // IWYU pragma: export
#include <forklore/found.hpp>       // IWYU pragma: export
#include <forklore/hooks.hpp>       // IWYU pragma: export
#include <forklore/lease.hpp>       // IWYU pragma: export
#include <forklore/lock.hpp>        // IWYU pragma: export
#include <forklore/open_error.hpp>  // IWYU pragma: export
#include <forklore/option.hpp>      // IWYU pragma: export
#include <forklore/options.hpp>     // IWYU pragma: export
#include <forklore/pattern.hpp>     // IWYU pragma: export
#include <forklore/rate_limit.hpp>  // IWYU pragma: export
#include <forklore/stats.hpp>       // IWYU pragma: export
