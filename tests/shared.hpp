// shared.hpp - A T that a test shares with what it forks: zeroed memory without a name.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <new>

namespace forklore::tests {

template <class T>
class Shared {
 public:
  Shared() {
    void* memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    shared_ = new (memory) T{};
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(shared_, sizeof(T)); }
  T* operator->() const { return shared_; }
  T& operator*() const { return *shared_; }

 private:
  T* shared_;
};

}  // namespace forklore::tests
