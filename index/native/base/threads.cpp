#include "base/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace gleann {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenBeats = std::chrono::milliseconds(100);

std::atomic<int> most_cores{std::numeric_limits<int>::max()};
std::atomic<int> running{0};  // threads of all leases
std::atomic<void (*)()> heartbeat{nullptr};

struct Stopped {};  // another thread of the same work failed

class TaskLoop {
 public:
  TaskLoop(int64_t tasks, const std::function<void(int64_t)>& work)
      : tasks_(tasks), work_(work) {}

  // `calling`: this is the thread that Python called, which makes the heartbeats.
  void run(bool calling) {
    TaskLoop* const outer = current;
    const bool outer_beats = beats_here;
    current = this;
    beats_here = calling;
    try {
      for (int64_t task; (task = next_.fetch_add(1)) < tasks_;) {
        work_(task);
        if (calling) beat();
      }
    } catch (const Stopped&) {
    } catch (...) {
      stop(std::current_exception());
    }
    current = outer;
    beats_here = outer_beats;
  }

  void poll() {
    if (stopped_.load(std::memory_order_relaxed)) throw Stopped{};
    // Every eighth time: the clock takes longer than a short list.
    if (beats_here && (++polls_ & 7) == 0) beat();
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

  static thread_local TaskLoop* current;

 private:
  void beat() {
    const auto now = Clock::now();
    if (now - last_beat_ < kBetweenBeats) return;
    if (void (*const beat)() = heartbeat.load()) beat();
    last_beat_ = Clock::now();
  }

  void stop(std::exception_ptr error) {
    next_.store(tasks_);
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!error_) error_ = std::move(error);
    stopped_.store(true);
  }

  static thread_local bool beats_here;

  const int64_t tasks_;
  const std::function<void(int64_t)>& work_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> stopped_{false};
  Clock::time_point last_beat_ = Clock::now();
  unsigned polls_ = 0;
  std::mutex mutex_;
  std::exception_ptr error_;
};

thread_local TaskLoop* TaskLoop::current = nullptr;
thread_local bool TaskLoop::beats_here = false;

// Threads that are waited for whatever happens: one that is not ends the process.
class Helpers {
 public:
  Helpers(TaskLoop& loop, int64_t count) {
    try {
      threads_.reserve(count);
      while (static_cast<int64_t>(threads_.size()) < count) {
        threads_.emplace_back([&loop] { loop.run(false); });
      }
    } catch (const std::exception&) {
      // Neither more threads nor memory for them: those that started do all the work.
    }
  }
  ~Helpers() {
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::vector<std::thread> threads_;
};

// The C library may read a file to count the cores of the machine, which takes as long
// as a small search; so the affinity is asked first.
int affine_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

int usable_cores() {
  return std::min(affine_cores(), most_cores.load(std::memory_order_relaxed));
}

void limit_cores(int cores) { most_cores.store(std::max(1, cores)); }

int resolve_threads(int threads) { return threads > 0 ? threads : usable_cores(); }

ThreadLease::ThreadLease(int wanted) : count_(1) {
  int before = running.load();
  const int most = before > 0 ? std::max(usable_cores(), wanted) : wanted;
  do {
    count_ = std::max(1, std::min(wanted, most - before));
  } while (!running.compare_exchange_weak(before, before + count_));
}

ThreadLease::~ThreadLease() { running.fetch_sub(count_); }

void ThreadLease::shrink(int64_t count) {
  const auto kept = static_cast<int>(std::clamp<int64_t>(count, 1, count_));
  running.fetch_sub(count_ - kept);
  count_ = kept;
}

void parallel_for(int64_t tasks, ThreadLease& lease,
                  const std::function<void(int64_t)>& work) {
  lease.shrink(tasks);
  TaskLoop loop(tasks, work);
  {
    const Helpers helpers(loop, lease.count() - 1);
    loop.run(true);
  }
  loop.rethrow();
}

void parallel_for(int64_t tasks, int threads,
                  const std::function<void(int64_t)>& work) {
  ThreadLease lease(threads);
  parallel_for(tasks, lease, work);
}

void for_rows(int64_t n, int64_t task_rows, int threads,
              const std::function<void(int64_t)>& work) {
  parallel_for((n + task_rows - 1) / task_rows, threads, [&](int64_t task) {
    const int64_t last = std::min(n, (task + 1) * task_rows);
    for (int64_t row = task * task_rows; row < last; ++row) work(row);
  });
}

void set_heartbeat(void (*beat)()) { heartbeat.store(beat); }

void poll() {
  if (TaskLoop::current) TaskLoop::current->poll();
}

}  // namespace gleann
