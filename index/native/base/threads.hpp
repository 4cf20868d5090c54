// Work split over threads that share nothing but the number of the next task.
#pragma once

#include <cstdint>
#include <functional>

namespace gleann {

// Cores this process may use: those it may run on, or fewer where `limit_cores` said so.
int usable_cores();

// What a container's quota allows, at least 1.
void limit_cores(int cores);

// `threads` where it is positive, else every usable core.
int resolve_threads(int threads);

// Threads of one call, this one included: as many as it wants and others have left of
// the cores, at least 1. A call that wants more than there are cores gets them, if it is
// alone. Given back when it ends; nobody waits for any.
class ThreadLease {
 public:
  explicit ThreadLease(int wanted);
  ~ThreadLease();
  ThreadLease(const ThreadLease&) = delete;
  ThreadLease& operator=(const ThreadLease&) = delete;

  int count() const { return count_; }
  void shrink(int64_t count);

 private:
  int count_;
};

// Call work(task) for each task below `tasks` from the threads of a lease. The first
// exception is thrown again here, after all threads have ended. Where threads cannot be
// started, fewer do the work.
void parallel_for(int64_t tasks, ThreadLease& lease,
                  const std::function<void(int64_t)>& work);

// The same, on up to `threads` threads.
void parallel_for(int64_t tasks, int threads, const std::function<void(int64_t)>& work);

// What the threads of Python do between tasks and in `poll`, ten times a second at most.
// It may throw, to stop the work.
void set_heartbeat(void (*beat)());

// Called between pieces of a long task: throws where the work is to stop.
void poll();

}  // namespace gleann
