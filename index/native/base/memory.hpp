// Zeroed memory, aligned to cache lines, in huge pages where the system has them.
#pragma once

#include <cstddef>
#include <memory>

namespace gleann {

struct Release {
  void* owned = nullptr;  // what calloc returned: at or before the aligned memory
  void operator()(void* memory) const;
};

template <class T>
using Buffer = std::unique_ptr<T[], Release>;

struct Zeroed {
  void* memory;
  void* owned;
};

// Throws std::bad_alloc.
Zeroed allocate_zeroed(std::size_t bytes);

template <class T>
Buffer<T> make_buffer(std::size_t count) {
  const Zeroed zeroed = allocate_zeroed(count * sizeof(T));
  return Buffer<T>(static_cast<T*>(zeroed.memory), Release{zeroed.owned});
}

}  // namespace gleann
