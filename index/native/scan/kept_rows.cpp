#include "scan/kept_rows.hpp"

#include <algorithm>

namespace gleann {

bool FileRows::is_full() const {
  constexpr int64_t kMostBytes = int64_t{1} << 19;
  const auto rows = static_cast<int64_t>(rows_.size());
  return rows * file_.d() * int64_t{sizeof(float)} >= kMostBytes;
}

void FileRows::read() {
  std::sort(rows_.begin(), rows_.end());
  rows_.erase(std::unique(rows_.begin(), rows_.end()), rows_.end());
  if (rows_.size() > room_) {
    room_ = rows_.size() + rows_.size() / 4;
    vectors_ = make_buffer<float>(room_ * file_.d());
  }
  file_.read(rows_.data(), static_cast<int64_t>(rows_.size()), vectors_.get());
}

void FileRows::place(int32_t* rows, int64_t count) const {
  for (int64_t i = 0; i < count; ++i) {
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), rows[i]);
    rows[i] = static_cast<int32_t>(at - rows_.begin());
  }
}

}  // namespace gleann
