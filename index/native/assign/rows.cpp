#include "assign/rows.hpp"

#include "base/threads.hpp"
#include "kernels/dispatch.hpp"

namespace gleann {
namespace {

constexpr int64_t kRowsATask = 1024;
// Codes side by side, nothing flipped.
constexpr Layout kPlain{1, 1, 1, 0, 0, false, 1};

}  // namespace

std::vector<int64_t> unit_rows(const float* vectors, int64_t n, int64_t d,
                               const std::string& tier, int threads, float* unit) {
  const Kernels& kernels = choose_kernels(tier);
  std::vector<uint8_t> done(n);
  for_rows(n, kRowsATask, resolve_threads(threads), [&](int64_t row) {
    done[row] = kernels.to_unit(vectors + row * d, d, unit + row * d);
  });
  std::vector<int64_t> without;
  for (int64_t row = 0; row < n; ++row) {
    if (!done[row]) without.push_back(row);
  }
  return without;
}

void quantise_rows(const float* vectors, const float* center, int64_t n, int64_t d,
                   const std::string& tier, int threads, int8_t* codes, float* scales) {
  const Kernels& kernels = choose_kernels(tier);
  for_rows(n, kRowsATask, resolve_threads(threads), [&](int64_t row) {
    auto* out = reinterpret_cast<uint8_t*>(codes + row * d);
    scales[row] = kernels.dots.encode(vectors + row * d, center, d, kPlain, out).scale;
  });
}

}  // namespace gleann
