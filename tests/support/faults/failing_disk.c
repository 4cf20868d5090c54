/* To be preloaded: one call that changes a file under $FAIL_UNDER fails.

   The calls of a process are counted from 0; call $FAIL_AT fails as $FAIL_HOW says: "EIO",
   "ENOSPC", or "short", which writes half and says so; other calls have no space. With
   $FAIL_STAYS all calls after it fail likewise, as on a disk that stays full. The count goes
   to $FAIL_COUNT at the end; a process that was started by this one writes it earlier. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <unistd.h>

static long calls;

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static int under(const char *path) {
    const char *root = getenv("FAIL_UNDER");
    return root && strncmp(path, root, strlen(root)) == 0;
}

static int counts(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return under(path);
}

/* Whether this call fails. */
static int fails(void) {
    long at = atol(getenv("FAIL_AT")), call = __sync_fetch_and_add(&calls, 1);
    return at >= 0 && (getenv("FAIL_STAYS") ? call >= at : call == at);
}

static int is_short(void) { return strcmp(getenv("FAIL_HOW"), "short") == 0; }

static void refuse(void) {
    errno = strcmp(getenv("FAIL_HOW"), "EIO") == 0 ? EIO : ENOSPC;
}

__attribute__((destructor)) static void tell(void) {
    const char *name = getenv("FAIL_COUNT");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", calls);
        fclose(file);
    }
}

ssize_t write(int descriptor, const void *from, size_t size) {
    ssize_t (*real)(int, const void *, size_t) =
        REAL("write", ssize_t(*)(int, const void *, size_t));
    if (!counts(descriptor) || !fails())
        return real(descriptor, from, size);
    if (is_short() && size > 1)
        return real(descriptor, from, size / 2);
    refuse();
    return -1;
}

static ssize_t put(const char *name, int descriptor, const void *from, size_t size,
                   off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        REAL(name, ssize_t(*)(int, const void *, size_t, off64_t));
    if (!counts(descriptor) || !fails())
        return real(descriptor, from, size, at);
    if (is_short() && size > 1)
        return real(descriptor, from, size / 2, at);
    refuse();
    return -1;
}

ssize_t pwrite(int descriptor, const void *from, size_t size, off_t at) {
    return put("pwrite", descriptor, from, size, at);
}
ssize_t pwrite64(int descriptor, const void *from, size_t size, off64_t at) {
    return put("pwrite64", descriptor, from, size, at);
}

static int on_descriptor(const char *name, int descriptor) {
    int (*real)(int) = REAL(name, int (*)(int));
    if (!counts(descriptor) || !fails())
        return real(descriptor);
    refuse();
    return -1;
}

int fsync(int descriptor) { return on_descriptor("fsync", descriptor); }
int fdatasync(int descriptor) { return on_descriptor("fdatasync", descriptor); }

static int cut(const char *name, int descriptor, off64_t size) {
    int (*real)(int, off64_t) = REAL(name, int (*)(int, off64_t));
    if (!counts(descriptor) || !fails())
        return real(descriptor, size);
    refuse();
    return -1;
}

int ftruncate(int descriptor, off_t size) { return cut("ftruncate", descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return cut("ftruncate64", descriptor, size); }

/* Python copies files so; the call that finds nothing left to copy writes nothing. */
static ssize_t copy(const char *name, int to, int from, off64_t *at, size_t size) {
    ssize_t (*real)(int, int, off64_t *, size_t) =
        REAL(name, ssize_t(*)(int, int, off64_t *, size_t));
    if (!counts(to) || !fails())
        return real(to, from, at, size);
    if (is_short() && size > 1)
        return real(to, from, at, size / 2);
    refuse();
    return -1;
}

ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    return copy("sendfile", to, from, at, size);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    return copy("sendfile64", to, from, at, size);
}

static int on_paths(const char *name, const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        REAL(name, int (*)(const char *, const char *));
    if (!under(to) || !fails())
        return real(from, to);
    refuse();
    return -1;
}

int rename(const char *from, const char *to) { return on_paths("rename", from, to); }
int link(const char *from, const char *to) { return on_paths("link", from, to); }

int mkdir(const char *path, mode_t mode) {
    int (*real)(const char *, mode_t) = REAL("mkdir", int (*)(const char *, mode_t));
    if (!under(path) || !fails())
        return real(path, mode);
    refuse();
    return -1;
}

/* A file that is made: the directory may have no space for its name. */
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int (*real)(const char *, int, mode_t) =
        REAL("open64", int (*)(const char *, int, mode_t));
    if (!(flags & O_CREAT) || !under(path) || !fails())
        return real(path, flags, mode);
    refuse();
    return -1;
}
