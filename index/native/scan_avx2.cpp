// The AVX2 tier.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.hpp"

#define GLEANN_TARGET "avx2,fma,bmi"
#include "target_begin.hpp"

#include "ops_avx2.hpp"
#include "assign_tile.hpp"
#include "tile.hpp"
#include "vectors.hpp"

namespace gleann {
const Kernels kAvx2Kernels = {
    "avx2",
    Layout{2, 2, 1, 0, 0, true},
    quantise,
    scan<Avx2Int, Scoring::kDot>,
    scan<Avx2Int, Scoring::kL2>,
    score<Avx2Int, Scoring::kDot>,
    score<Avx2Int, Scoring::kL2>,
    seed<Avx2Int>,
    threshold_for<Avx2Int>,
    collect<Avx2Int>,
    assign<Avx2Float>,
    to_unit,
    distances,
    nullptr,
    nullptr,
};

}  // namespace gleann

#include "target_end.hpp"
#endif
