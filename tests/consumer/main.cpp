#include <forklore/forklore.hpp>
#include <iostream>

int main() {
  auto cache = forklore::Cache::open({.name = "readme", .capacity_bytes = 64 * forklore::MiB});
  if (cache.set("greeting", "hello", std::chrono::minutes(5)) != forklore::Code::ok) return 1;
  std::cout << cache.get("greeting").value_or("nothing") << '\n';
}
