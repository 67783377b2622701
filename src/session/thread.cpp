#include "session/thread.hpp"

#include <pthread.h>
#include <sys/mman.h>

namespace forklore::session {
// Its destructor gives a thread's page back. POSIX's, as a thread_local with a destructor would take room of its own.
struct Thread::Key {
  pthread_key_t key{};
  bool made = false;

  explicit Key(void (*destructor)(void*)) noexcept : made(::pthread_key_create(&key, destructor) == 0) {}
  ~Key() {
    if (made) ::pthread_key_delete(key);  // the library may be unloaded now
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
};

constinit thread_local Thread* Thread::here = nullptr;
const Thread::Key Thread::key(end);

// From the kernel, as it may be a signal handler that asks.
Thread* Thread::make() noexcept {
  void* page = ::mmap(nullptr, sizeof(Thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (!key.made || ::pthread_setspecific(key.key, page) != 0) {
    ::munmap(page, sizeof(Thread));
    return nullptr;
  }
  return here = static_cast<Thread*>(page);
}

void Thread::end(void* page) noexcept {
  here = nullptr;
  ::munmap(page, sizeof(Thread));
}

}  // namespace forklore::session
