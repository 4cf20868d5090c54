// The coarse step: a float32 scan of the lists' directions.
#include <algorithm>
#include <vector>

#include "engine.hpp"
#include "sink.hpp"
#include "threads.hpp"

namespace gleann {
namespace {

constexpr int64_t kChunk = 48;  // queries scored together

void write_best(Sink& sink, int64_t nprobe, int32_t* list_nos) {
  compact(sink);
  std::sort(sink.keys, sink.keys + sink.count);
  for (int64_t i = 0; i < nprobe; ++i) {
    list_nos[i] = i < sink.count ? key_row(sink.keys[i]) : -1;
  }
}

}  // namespace

void Engine::rank_lists(const float* queries, int64_t nq, int64_t nprobe, int threads,
                        int32_t* list_nos) const {
  const auto pool = static_cast<int32_t>(std::min(nprobe, nlist()));
  const int32_t capacity = sink_capacity(pool);
  parallel_for((nq + kChunk - 1) / kChunk, resolve_threads(threads), [&](int64_t task) {
    const int64_t first = task * kChunk;
    Group group{};
    group.count = static_cast<int>(std::min(kChunk, nq - first));
    group.queries = reinterpret_cast<const uint8_t*>(queries + first * d());
    group.stride = d() * static_cast<int64_t>(sizeof(float));
    std::vector<uint64_t> keys(kChunk * capacity);
    std::vector<Sink> sinks(group.count);
    for (int q = 0; q < group.count; ++q) {
      sinks[q] = make_sink(keys.data() + q * capacity, pool, capacity, nullptr);
      group.sinks[q] = &sinks[q];
      group.thresholds[q] = sinks[q].threshold;
    }
    const Entries all{nullptr, nullptr, nlist(), false, nullptr};
    kernels_.scan_float(directions_.panel(), group, all);
    for (int q = 0; q < group.count; ++q) {
      write_best(sinks[q], nprobe, list_nos + (first + q) * nprobe);
    }
  });
}

}  // namespace gleann
