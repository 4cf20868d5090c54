#include "kernels/dispatch.hpp"

#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace gleann {
namespace {

#if defined(__x86_64__)

// Not every compiler that builds this knows the name for __builtin_cpu_supports.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

// Linux gives a process its tile registers only when it asks (Linux
// Documentation/arch/x86/xstate.rst).
bool amx_granted() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  return (d & kTile) && (d & kInt8) && amx_granted();
}

#endif

std::vector<const Kernels*> find_runnable() {
  std::vector<const Kernels*> found;
#if defined(__x86_64__)
  if (has_amx()) found.push_back(&kAmxKernels);
  if (has_avx512()) found.push_back(&kAvx512Kernels);
  if (has_avx2()) found.push_back(&kAvx2Kernels);
#endif
  found.push_back(&kPortableKernels);
  return found;
}

const std::vector<const Kernels*>& runnable() {
  static const std::vector<const Kernels*> found = find_runnable();
  return found;
}

}  // namespace

std::vector<std::string> runnable_tiers() {
  std::vector<std::string> names;
  for (const Kernels* kernels : runnable()) names.emplace_back(kernels->name);
  return names;
}

const Kernels& choose_kernels(const std::string& tier) {
  if (tier.empty()) return *runnable().front();
  if (tier == kAmxEmulatedKernels.name) return kAmxEmulatedKernels;
  for (const Kernels* kernels : runnable()) {
    if (tier == kernels->name) return *kernels;
  }
  throw std::invalid_argument("this CPU cannot run tier '" + tier + "'");
}

}  // namespace gleann
