#include "base/memory.hpp"

#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gleann {

void Release::operator()(void*) const { std::free(owned); }

// By calloc: it knows which memory is zero already, as a piece fresh from the system is
// (one of 32 MiB or more always), and then the threads that fill it first touch it.
Zeroed allocate_zeroed(std::size_t bytes) {
  constexpr std::size_t kLine = 64, kHugePage = std::size_t{2} << 20;
  const std::size_t border = bytes >= kHugePage ? kHugePage : kLine;
  // Beyond the end too, since kernels read whole lines.
  const std::size_t rounded = (bytes / border + 1) * border;
  std::size_t room = rounded + border;
  void* owned = std::calloc(room, 1);
  if (owned == nullptr) throw std::bad_alloc();
  void* memory = owned;
  std::align(border, rounded, memory, room);
#if defined(__linux__)
  // A hint: lists are read front to back, rows anywhere; both miss fewer pages.
  if (border == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  return Zeroed{memory, owned};
}

}  // namespace gleann
