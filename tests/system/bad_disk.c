/* A disk that refuses, as a test says: below the directory that LABD_TEST_DISK names, what writes
   fails with the errno that is the first int32 of the file LABD_TEST_DISK_ERRORS, and what reads
   with the second one; 0 lets it pass. Looked at on every call; nothing is done where one fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITES, READS };

static const volatile int32_t *errors;
static char folder[PATH_MAX];

__attribute__((constructor)) static void look(void) {
    const char *path = getenv("LABD_TEST_DISK_ERRORS"), *below = getenv("LABD_TEST_DISK");
    int (*plain_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = path && below ? plain_open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, 2 * sizeof *errors, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    snprintf(folder, sizeof folder, "%s/", below);
    if (page != MAP_FAILED)
        errors = page;
}

static int is_path_refused(const char *path, int what) {
    if (!errors || !errors[what] || strncmp(path, folder, strlen(folder)))
        return 0;
    errno = errors[what];
    return 1;
}

static int is_refused(int file, int what) {
    char name[64], path[PATH_MAX];
    if (!errors || !errors[what])
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t n = readlink(name, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    return is_path_refused(path, what);
}

/* The function of that name that would have been called. */
#define NEXT(result, name, ...) \
    static result (*next)(__VA_ARGS__); \
    if (!next) \
        next = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define ON_FILE(result, name, what, parameters, arguments) \
    result name parameters { \
        static result(*next) parameters; \
        if (!next) \
            next = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        return is_refused(file, what) ? (result)-1 : next arguments; \
    }

ON_FILE(ssize_t, write, WRITES, (int file, const void *data, size_t n), (file, data, n))
ON_FILE(ssize_t, pwrite, WRITES, (int file, const void *data, size_t n, off_t at), (file, data, n, at))
ON_FILE(ssize_t, pwrite64, WRITES, (int file, const void *data, size_t n, off64_t at), (file, data, n, at))
ON_FILE(int, fsync, WRITES, (int file), (file))
ON_FILE(int, fdatasync, WRITES, (int file), (file))
ON_FILE(int, ftruncate, WRITES, (int file, off_t n), (file, n))
ON_FILE(int, ftruncate64, WRITES, (int file, off64_t n), (file, n))
ON_FILE(ssize_t, read, READS, (int file, void *data, size_t n), (file, data, n))
ON_FILE(ssize_t, pread, READS, (int file, void *data, size_t n, off_t at), (file, data, n, at))
ON_FILE(ssize_t, pread64, READS, (int file, void *data, size_t n, off64_t at), (file, data, n, at))

/* posix_fallocate returns its error. */
#define FALLOCATE(name, offset) \
    int name(int file, offset at, offset n) { \
        NEXT(int, name, int, offset, offset); \
        return is_refused(file, WRITES) ? errno : next(file, at, n); \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)

/* A new name needs room, too. */
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(int, name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & O_CREAT && access(path, F_OK) && is_path_refused(path, WRITES)) \
            return -1; \
        return next(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

/* What needs no room is done on a full disk. */
#define ON_PATH(name, parameters, arguments, is_spared) \
    int name parameters { \
        static int(*next) parameters; \
        if (!next) \
            next = (int(*) parameters)dlsym(RTLD_NEXT, #name); \
        return !(is_spared) && is_path_refused(path, WRITES) ? -1 : next arguments; \
    }
#define NEEDS_NO_ROOM (errors && errors[WRITES] == ENOSPC)
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), !access(path, F_OK))
ON_PATH(rename, (const char *path, const char *to), (path, to), NEEDS_NO_ROOM)
ON_PATH(unlink, (const char *path), (path), NEEDS_NO_ROOM)
