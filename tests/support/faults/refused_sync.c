/* To be preloaded: while the file $REFUSE_SYNC is there, nothing is put on disk. With
   $REFUSE_MODE "once" the first refusal removes the file; with "then writes", writes
   are refused from then on as well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int dead;

static int mode_is(const char *name) {
    const char *mode = getenv("REFUSE_MODE");
    return mode && strcmp(mode, name) == 0;
}

static int synced(const char *name, int descriptor) {
    const char *flag = getenv("REFUSE_SYNC");
    if (dead || (flag && access(flag, F_OK) == 0)) {
        dead = mode_is("then writes");
        if (mode_is("once"))
            unlink(flag);
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(descriptor);
}

static ssize_t written(const char *name, int descriptor, const void *from, size_t size,
                       off64_t at) {
    if (dead) {
        errno = EIO;
        return -1;
    }
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, name);
    return real(descriptor, from, size, at);
}

int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }
int fsync(int descriptor) { return synced("fsync", descriptor); }

ssize_t pwrite(int descriptor, const void *from, size_t size, off_t at) {
    return written("pwrite", descriptor, from, size, at);
}
ssize_t pwrite64(int descriptor, const void *from, size_t size, off64_t at) {
    return written("pwrite64", descriptor, from, size, at);
}
