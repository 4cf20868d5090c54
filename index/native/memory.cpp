#include "memory.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gleann {

void Release::operator()(void* memory) const { std::free(memory); }

void* allocate_zeroed(std::size_t bytes) {
  constexpr std::size_t kLine = 64, kHugePage = std::size_t{2} << 20;
  const std::size_t border = bytes >= kHugePage ? kHugePage : kLine;
  const std::size_t rounded = (bytes / border + 1) * border;
  void* memory = std::aligned_alloc(border, rounded);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  // A hint: lists are read front to back, rows anywhere; both miss fewer pages.
  if (border == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  std::memset(memory, 0, rounded);
  return memory;
}

}  // namespace gleann
