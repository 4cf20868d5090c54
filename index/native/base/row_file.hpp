// Rows of a file that are read when they are needed, not mapped: a file that was cut is
// an error then, and no fatal signal.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace gleann {

// What Python sees as a CorruptDataError.
struct FileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class RowFile {
 public:
  // Float32 rows (n, d) from byte `start` on, of a file that ends behind them. The
  // descriptor is duplicated. Throws FileError.
  RowFile(int descriptor, std::string name, int64_t start, int64_t n, int64_t d);
  ~RowFile();
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  int64_t n() const { return n_; }
  int64_t d() const { return d_; }

  // Writes rows (count), distinct and ascending, one behind the other. What the system
  // has in memory is copied; the rest is read by a few threads at once, since a disk
  // answers several requests in the time of one. Throws FileError.
  void read(const int32_t* rows, int64_t count, float* out) const;

 private:
  struct Run {  // of rows that follow each other
    int64_t at;
    int64_t bytes;
    char* out;
  };

  bool read_cached(const Run& run) const;
  void read_waiting(const std::vector<Run>& runs) const;
  void read_whole(const Run& run) const;
  [[noreturn]] void refuse_length() const;

  int descriptor_;
  std::string name_;
  int64_t start_;
  int64_t n_;
  int64_t d_;
};

}  // namespace gleann
