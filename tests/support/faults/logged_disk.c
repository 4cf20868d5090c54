/* To be preloaded: syncs and renames under $LOG_UNDER are written to $LOG_FILE.

   "sync SIZE PATH" for a file and "dir PATH" with its names, each after a tab, for a
   directory, once the sync has succeeded; "rename FROM TO" and "link FROM TO". What a rename
   replaces gets another name first, in $LOG_SAVED, and the line "over NAME TO". */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM 65536

int link(const char *from, const char *to);
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static long saved;

static int under(const char *path) {
    const char *root = getenv("LOG_UNDER");
    return root && strncmp(path, root, strlen(root)) == 0;
}

static void tell(const char *line) {
    int file = open(getenv("LOG_FILE"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0 || write(file, line, strlen(line)) < 0)
        abort();
    close(file);
}

/* What a sync of this descriptor makes durable; empty where nothing is to be told. */
static void describe(int descriptor, char *line) {
    char link[64], path[4096];
    struct stat found;
    line[0] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(descriptor, &found) != 0)
        return;
    path[length] = 0;
    if (!under(path))
        return;
    if (!S_ISDIR(found.st_mode)) {
        snprintf(line, ROOM, "sync\t%lld\t%s\n", (long long)found.st_size, path);
        return;
    }
    int used = snprintf(line, ROOM, "dir\t%s", path);
    DIR *opened = opendir(path);
    for (struct dirent *entry; opened && (entry = readdir(opened));)
        used += snprintf(line + used, ROOM - used, "\t%s", entry->d_name);
    if (opened)
        closedir(opened);
    snprintf(line + used, ROOM - used, "\n");
}

static int synced(const char *name, int descriptor) {
    int (*real)(int) = REAL(name, int (*)(int));
    char *line = malloc(ROOM);
    describe(descriptor, line);
    int result = real(descriptor);
    if (result == 0 && line[0])
        tell(line);
    free(line);
    return result;
}

int fsync(int descriptor) { return synced("fsync", descriptor); }
int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        REAL("rename", int (*)(const char *, const char *));
    char line[16384], name[4200];
    if (!under(to))
        return real(from, to);
    snprintf(name, sizeof name, "%s/%d-%ld", getenv("LOG_SAVED"), getpid(),
             __sync_fetch_and_add(&saved, 1));
    int replaces = link(to, name) == 0;
    int result = real(from, to);
    if (result == 0) {
        if (replaces) {
            snprintf(line, sizeof line, "over\t%s\t%s\n", name, to);
            tell(line);
        }
        snprintf(line, sizeof line, "rename\t%s\t%s\n", from, to);
        tell(line);
    }
    return result;
}

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        REAL("link", int (*)(const char *, const char *));
    char line[16384];
    int result = real(from, to);
    if (result == 0 && under(to)) {
        snprintf(line, sizeof line, "link\t%s\t%s\n", from, to);
        tell(line);
    }
    return result;
}
