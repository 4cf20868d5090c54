#include "base/row_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace gleann {
namespace {

constexpr std::size_t kReaders = 8;  // threads; they wait for the disk

// Whether the system can say what it has in memory.
std::atomic<bool> tells_cached{
#if defined(RWF_NOWAIT)
    true
#else
    false
#endif
};

[[noreturn]] void refuse(const std::string& name, int error) {
  throw FileError(name + " cannot be read: " + std::strerror(error));
}

}  // namespace

RowFile::RowFile(int descriptor, std::string name, int64_t start, int64_t n, int64_t d)
    : descriptor_(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)),
      name_(std::move(name)),
      start_(start),
      n_(n),
      d_(d) {
  if (descriptor_ < 0) refuse(name_, errno);
}

RowFile::~RowFile() { close(descriptor_); }

void RowFile::read(const int32_t* rows, int64_t count, float* out) const {
  const int64_t row_bytes = d_ * int64_t{sizeof(float)};
  std::vector<Run> waiting;
  for (int64_t i = 0; i < count;) {
    int64_t end = i + 1;
    while (end < count && rows[end] == rows[end - 1] + 1) ++end;
    const Run run{start_ + rows[i] * row_bytes, (end - i) * row_bytes,
                  reinterpret_cast<char*>(out + i * d_)};
    if (!read_cached(run)) waiting.push_back(run);
    i = end;
  }
  read_waiting(waiting);
}

bool RowFile::read_cached(const Run& run) const {
#if defined(RWF_NOWAIT)
  if (!tells_cached.load(std::memory_order_relaxed)) return false;
  iovec into{run.out, static_cast<std::size_t>(run.bytes)};
  const ssize_t got = preadv2(descriptor_, &into, 1, run.at, RWF_NOWAIT);
  if (got < 0 && errno != EAGAIN && errno != EINTR) tells_cached = false;
  return got == run.bytes;
#else
  static_cast<void>(run);
  return false;
#endif
}

void RowFile::read_waiting(const std::vector<Run>& runs) const {
  // Where nothing is known of the cache, most is there: threads would cost more.
  const std::size_t readers = tells_cached ? std::min(runs.size(), kReaders) : 1;
  std::atomic<std::size_t> next{0};
  std::exception_ptr failed;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next++) < runs.size();) read_whole(runs[i]);
    } catch (...) {
      const std::lock_guard<std::mutex> hold(mutex);
      failed = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  try {
    for (std::size_t t = 1; t < readers; ++t) others.emplace_back(work);
  } catch (const std::system_error&) {
    // Fewer threads read all.
  }
  work();
  for (std::thread& other : others) other.join();
  if (failed) std::rethrow_exception(failed);
}

void RowFile::read_whole(const Run& run) const {
  for (int64_t done = 0; done < run.bytes;) {
    const ssize_t got =
        pread(descriptor_, run.out + done, run.bytes - done, run.at + done);
    if (got == 0) refuse_length();
    if (got < 0 && errno != EINTR) refuse(name_, errno);
    done += std::max<ssize_t>(got, 0);
  }
}

void RowFile::refuse_length() const {
  struct stat now{};
  fstat(descriptor_, &now);
  const int64_t whole = start_ + n_ * d_ * int64_t{sizeof(float)};
  throw FileError(name_ + " has " + std::to_string(now.st_size) + " bytes and had " +
                  std::to_string(whole) +
                  " when it was opened: something changed it; open the index again");
}

}  // namespace gleann
