#include "scan/projector.hpp"

#include <algorithm>
#include <vector>

#include "base/memory.hpp"
#include "kernels/scan_session.hpp"
#include "scan/coded_queries.hpp"

namespace gleann {
namespace {

PackedLists packed(const float* axes, int64_t p, int64_t d, const Layout& layout) {
  const std::vector<float> none(p);
  return PackedLists(RowCodes{p, d, nullptr, nullptr, axes, nullptr, none.data()},
                     layout);
}

}  // namespace

Projector::Projector(const Kernels& kernels, const float* axes, const float* center,
                     int64_t p, int64_t d)
    : products_(kernels.products),
      center_(center),
      p_(p),
      d_(d),
      packed_(packed(axes, p, d, kernels.products.layout)) {}

void Projector::project(const float* vectors, int64_t count, float* points) const {
  const Panel panel = packed_.panel(0, p_);
  const int64_t slots = panel.blocks * kBlock;
  const int64_t most = std::min<int64_t>(count, kMaxGroup);
  const Buffer<float> scores = make_buffer<float>(most * slots);
  const ScanSession session(products_, panel);
  for (int64_t first = 0; first < count; first += most) {
    const int64_t some = std::min(most, count - first);
    const CodedQueries coded(products_, packed_.query_bytes(), center_, d_,
                             vectors + first * d_, some);
    Group group{};
    group.count = static_cast<int>(some);
    group.queries = coded.codes(0);
    group.stride = coded.stride();
    for (int64_t i = 0; i < some; ++i) {
      group.factors[i] = 2.0f * coded.scale(i).scale;
      group.starts[i] = coded.scale(i).start;
    }
    products_.score(panel, group, scores.get());
    for (int64_t i = 0; i < some; ++i) {
      std::copy_n(scores.get() + i * slots, p_, points + (first + i) * p_);
    }
  }
}

}  // namespace gleann
