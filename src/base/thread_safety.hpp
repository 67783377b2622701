// thread_safety.hpp - Words that tell clang which functions need a lock. Its analysis (-Wthread-safety) then checks
// every call. Other compilers see nothing.
#pragma once

#if defined(__clang__)
#define FORKLORE_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define FORKLORE_THREAD_SAFETY(attribute)
#endif

/// A class whose objects are locks to the analysis.
#define FORKLORE_CAPABILITY(name) FORKLORE_THREAD_SAFETY(capability(name))
/// A class whose objects hold a lock while they live.
#define FORKLORE_SCOPED_CAPABILITY FORKLORE_THREAD_SAFETY(scoped_lockable)
/// The caller must hold the lock.
#define FORKLORE_REQUIRES(lock) FORKLORE_THREAD_SAFETY(requires_capability(lock))
/// The caller must not hold the lock.
#define FORKLORE_EXCLUDES(lock) FORKLORE_THREAD_SAFETY(locks_excluded(lock))
/// The lock is held from here on.
#define FORKLORE_ACQUIRE(lock) FORKLORE_THREAD_SAFETY(acquire_capability(lock))
/// The lock is held where this has answered true.
#define FORKLORE_TRY_ACQUIRE FORKLORE_THREAD_SAFETY(try_acquire_capability(true))
/// The lock is no longer held from here on.
#define FORKLORE_RELEASE FORKLORE_THREAD_SAFETY(release_capability())
/// A member that is only read and written with the lock held.
#define FORKLORE_GUARDED_BY(lock) FORKLORE_THREAD_SAFETY(guarded_by(lock))
/// Not analysed. The reason stands beside it.
#define FORKLORE_NO_THREAD_SAFETY_ANALYSIS FORKLORE_THREAD_SAFETY(no_thread_safety_analysis)
