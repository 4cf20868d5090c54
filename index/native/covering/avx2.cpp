// Covering with AVX2: 16-bit products, which cannot saturate (see tiers/ops_avx2.hpp).
#if defined(__x86_64__)
#include <immintrin.h>

#include "covering/covering.hpp"
#include "kernels/kernels.hpp"

#define GLEANN_TARGET "avx2,fma,bmi"
#include "tiers/target_begin.hpp"

#include "covering/cover_tile.hpp"
// After the tile: functions compiled with other options are not inlined into it.
#include "tiers/ops_avx2.hpp"

namespace gleann {
namespace {

struct CoverAvx2 : Avx2Int {
  static constexpr int kCentres = 5, kBlockStep = kCodeStep;
  using Centre = Query;

  static uint32_t below(const Acc& acc, const CoverJob& job, int64_t slot,
                        const CoverCentre& centre) {
    return half_below(acc.low, job, slot, centre) |
           half_below(acc.high, job, slot + 8, centre) << 8;
  }

 private:
  static uint32_t half_below(__m256i acc, const CoverJob& job, int64_t slot,
                             const CoverCentre& centre) {
    const __m256 dots =
        _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(centre.scale));
    __m256 most = _mm256_fmadd_ps(dots, _mm256_loadu_ps(job.scales + slot),
                                  _mm256_loadu_ps(job.limits + slot));
    most = _mm256_fmadd_ps(_mm256_loadu_ps(job.lengths + slot),
                           _mm256_set1_ps(centre.error), most);
    most = _mm256_fmadd_ps(_mm256_loadu_ps(job.errors + slot),
                           _mm256_set1_ps(centre.length), most);
    return static_cast<uint32_t>(_mm256_movemask_ps(
        _mm256_cmp_ps(most, _mm256_set1_ps(centre.half_square), _CMP_GT_OQ)));
  }
};

}  // namespace

const CoverKernels kAvx2Cover = {"avx2", CoverLayout{2, 0}, cover<CoverAvx2>,
                                 squared_distances};

}  // namespace gleann

#include "tiers/target_end.hpp"
#endif
