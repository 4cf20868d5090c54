// Work split over threads that share nothing but the number of the next task.
#pragma once

#include <cstdint>
#include <functional>

namespace gleann {

// Cores this process may use.
int usable_cores();

// `threads` where it is positive, else every usable core.
int resolve_threads(int threads);

// Call work(task) for each task below `tasks` from up to `threads` threads, this one
// included. The first exception is thrown again here, after all threads have ended.
void parallel_for(int64_t tasks, int threads, const std::function<void(int64_t)>& work);

}  // namespace gleann
