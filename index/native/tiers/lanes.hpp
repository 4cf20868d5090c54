// 16 lanes that compilers (GCC and clang) map to whatever registers a tier has.
//
// Included by the .cpp files of this folder only, after they have set their target.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

typedef float Floats __attribute__((vector_size(kBlock * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(kBlock * sizeof(int32_t))));

}  // namespace
}  // namespace gleann
