// Covering in plain C++, for any CPU.
#include "covering/cover_tile.hpp"
#include "covering/covering.hpp"

namespace gleann {
namespace {

struct CoverPortable {
  static constexpr int kBlocks = 1, kCentres = 2, kBlockStep = 32;
  struct Acc {
    int32_t sums[kCoverBlock];
  };
  using Codes = const int8_t*;
  struct Centre {
    int16_t codes[2];
  };

  static Acc start(int32_t value) {
    Acc acc;
    for (int32_t& sum : acc.sums) sum = value;
    return acc;
  }
  static Codes load(const uint8_t* bytes) {
    return reinterpret_cast<const int8_t*>(bytes);
  }
  static Centre broadcast(const uint8_t* bytes) {
    Centre centre;
    __builtin_memcpy(centre.codes, bytes, sizeof centre.codes);
    return centre;
  }
  static Acc dot(Acc acc, Codes codes, const Centre& centre) {
    for (int i = 0; i < kCoverBlock; ++i) {
      acc.sums[i] +=
          codes[2 * i] * centre.codes[0] + codes[2 * i + 1] * centre.codes[1];
    }
    return acc;
  }
  static uint32_t below(const Acc& acc, const CoverJob& job, int64_t slot,
                        const CoverCentre& centre) {
    uint32_t hits = 0;
    for (int i = 0; i < kCoverBlock; ++i) {
      const int64_t at = slot + i;
      const float dot = static_cast<float>(acc.sums[i]) * centre.scale;
      const float most = dot * job.scales[at] + job.limits[at] +
                         job.lengths[at] * centre.error +
                         job.errors[at] * centre.length;
      hits |= static_cast<uint32_t>(most > centre.half_square) << i;
    }
    return hits;
  }
};

}  // namespace

const CoverKernels kPortableCover = {"portable", CoverLayout{2, 0},
                                     cover<CoverPortable>, squared_distances};

}  // namespace gleann
