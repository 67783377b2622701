#include "session/thread.hpp"

#include <pthread.h>
#include <sys/mman.h>

namespace forklore::session {
// Gives a thread's page back when the thread ends. By a key of POSIX, because a thread_local with a destructor would
// take more of the thread-local storage.
struct Thread::AtExit {
  pthread_key_t key{};
  bool made = false;

  explicit AtExit(void (*destructor)(void*)) noexcept : made(::pthread_key_create(&key, destructor) == 0) {}
  ~AtExit() {
    if (made) ::pthread_key_delete(key);  // the library may be unloaded now
  }
  AtExit(const AtExit&) = delete;
  AtExit& operator=(const AtExit&) = delete;
};

constinit thread_local Thread* Thread::here = nullptr;
const Thread::AtExit Thread::at_exit(end);

// The page comes from the kernel. A signal handler may ask for it, and malloc() is not safe there.
Thread* Thread::make() noexcept {
  void* page = ::mmap(nullptr, sizeof(Thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (!at_exit.made || ::pthread_setspecific(at_exit.key, page) != 0) {
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
