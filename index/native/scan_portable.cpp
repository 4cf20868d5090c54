// The tier for CPUs that offer nothing more.
#include "kernels.hpp"
#include "ops_portable.hpp"
#include "assign_tile.hpp"
#include "tile.hpp"
#include "vectors.hpp"

namespace gleann {

const Kernels kPortableKernels = {
    "portable",
    Layout{2, 1, kBlock, 0, 0, true},
    quantise,
    scan<PortableInt, Scoring::kDot>,
    scan<PortableInt, Scoring::kL2>,
    score<PortableInt, Scoring::kDot>,
    score<PortableInt, Scoring::kL2>,
    seed<PortableInt>,
    threshold_for<PortableInt>,
    collect<PortableInt>,
    assign<PortableFloat>,
    to_unit,
    distances,
    nullptr,
    nullptr,
};

}  // namespace gleann
