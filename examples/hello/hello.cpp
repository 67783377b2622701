// One cache for all runs of this program: start it twice.
#include <forklore/forklore.hpp>
#include <iostream>

int main(int count, char** arguments) {
  auto cache = forklore::Cache::open({.name = count > 1 ? arguments[1] : "hello", .capacity_bytes = 1 * forklore::MiB});
  std::int64_t runs = 0;
  if (cache.increment("runs", 1, runs, 0) != forklore::Code::ok) return 1;
  std::cout << forklore::get_or_compute(cache, "greeting", std::chrono::minutes(1), [] { return "hello"; });
  std::cout << ", run " << runs << '\n';
}
