// Zeroed memory on cache-line borders, in huge pages where the system has them.
#pragma once

#include <cstddef>
#include <memory>

namespace gleann {

struct Release {
  void operator()(void* memory) const;
};

template <class T>
using Buffer = std::unique_ptr<T[], Release>;

// Throws std::bad_alloc.
void* allocate_zeroed(std::size_t bytes);

template <class T>
Buffer<T> make_buffer(std::size_t count) {
  return Buffer<T>(static_cast<T*>(allocate_zeroed(count * sizeof(T))));
}

}  // namespace gleann
