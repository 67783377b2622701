// Must not compile: 4 << 30 is an int, and 0.
#include <forklore/forklore.hpp>

int main() { return forklore::Cache::open({.name = "never", .capacity_bytes = 4 << 30}).path().empty(); }
