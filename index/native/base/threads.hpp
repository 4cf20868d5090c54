// Parallel loops: threads take the next task from one shared counter.
#pragma once

#include <cstdint>
#include <functional>

namespace gleann {

// Cores this process may use: its CPU affinity, capped by `limit_cores`.
int usable_cores();

// Cap `usable_cores`, at least at 1: for the CPU quota of a container.
void limit_cores(int cores);

// `threads` where it is positive, else every usable core.
int resolve_threads(int threads);

// The threads of one call, its own included: the number requested, limited to the cores
// that other leases leave free, at least 1. A call that is alone gets what it requests,
// even above the number of cores. Never waits; the destructor gives the threads back.
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

// Call work(task) for each task in 0..tasks - 1 on the threads of a lease. The first
// exception is rethrown after all threads have ended. If the system starts no more
// threads, those that run do all the work.
void parallel_for(int64_t tasks, ThreadLease& lease,
                  const std::function<void(int64_t)>& work);

// The same, on up to `threads` threads.
void parallel_for(int64_t tasks, int threads, const std::function<void(int64_t)>& work);

// Call work(row) for each row in 0..n - 1 on up to `threads` threads, `task_rows`
// consecutive rows per task.
void for_rows(int64_t n, int64_t task_rows, int threads,
              const std::function<void(int64_t)>& work);

// Set the callback that a thread of Python makes between tasks and in `poll`, ten times
// a second at most. It may throw, to stop the work.
void set_heartbeat(void (*beat)());

// Called between pieces of a long task; throws if the work is to stop.
void poll();

}  // namespace gleann
