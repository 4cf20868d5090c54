// The tier for CPUs that offer nothing more.
#include "kernels.hpp"
#include "ops_portable.hpp"
#include "assign_tile.hpp"
#include "score_tile.hpp"
#include "tile.hpp"
#include "vectors.hpp"

namespace gleann {

const Kernels kPortableKernels = {
    "portable",
    Layout{2, 1, kBlock, 0, 0, true},
    quantise,
    scan<PortableInt, Scoring::kDot>,
    scan<PortableInt, Scoring::kL2>,
    score<PortableFloat>,
    lane_maxima,
    collect<PortableFloat>,
    assign<PortableFloat>,
    distances,
    nullptr,
    nullptr,
};

}  // namespace gleann
