// The AVX-512 VNNI tier.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts some intrinsics from a register it leaves undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels.hpp"

#define GLEANN_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi"
#include "target_begin.hpp"

#include "ops_avx512.hpp"
#include "assign_tile.hpp"
#include "tile.hpp"
#include "vectors.hpp"

namespace gleann {

const Kernels kAvx512Kernels = {
    "avx512",
    Layout{4, 4, 1, 0x80, 0, false},
    quantise,
    scan<Avx512Int, Scoring::kDot>,
    scan<Avx512Int, Scoring::kL2>,
    score<Avx512Int, Scoring::kDot>,
    score<Avx512Int, Scoring::kL2>,
    seed<Avx512Int>,
    threshold_for<Avx512Int>,
    collect<Avx512Int>,
    assign<Avx512Float>,
    to_unit,
    distances,
    nullptr,
    nullptr,
};

}  // namespace gleann

#include "target_end.hpp"
#endif
