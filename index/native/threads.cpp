#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace gleann {
namespace {

class TaskLoop {
 public:
  TaskLoop(int64_t tasks, const std::function<void(int64_t)>& work)
      : tasks_(tasks), work_(work) {}

  void run() {
    try {
      for (int64_t task; (task = next_.fetch_add(1)) < tasks_;) work_(task);
    } catch (...) {
      next_.store(tasks_);
      const std::lock_guard<std::mutex> hold(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const int64_t tasks_;
  const std::function<void(int64_t)>& work_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

int usable_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return std::max(1, CPU_COUNT(&set));
  }
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

int resolve_threads(int threads) { return threads > 0 ? threads : usable_cores(); }

void parallel_for(int64_t tasks, int threads,
                  const std::function<void(int64_t)>& work) {
  TaskLoop loop(tasks, work);
  std::vector<std::thread> helpers;
  try {
    while (static_cast<int64_t>(helpers.size()) + 1 < std::min<int64_t>(threads, tasks)) {
      helpers.emplace_back([&loop] { loop.run(); });
    }
  } catch (const std::system_error&) {
    // No more threads to be had: those that started do all the work.
  }
  loop.run();
  for (auto& helper : helpers) helper.join();
  loop.rethrow();
}

}  // namespace gleann
