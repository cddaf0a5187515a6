/* A disk that forgets what was not synced: a library for LD_PRELOAD.
 *
 * It watches the files directly in one directory. The program reads and writes the real files, as it does through the
 * kernel's cache. Beside each file this library keeps, in a second directory, a shadow: what the disk has.
 *
 *   live/NAME   the shadow of the file that now has this name
 *   disk/NAME   the shadow of the file to which the name leads on the disk: a hard link
 *   dirty/INODE one byte for each unit of the shadow with this inode: 1 if the disk may lack what the file has there
 *   fired       a line for each fault that happened
 *
 * A write makes units dirty. A sync copies the dirty units of a file into its shadow, and a sync of the directory makes its
 * names durable. All of this is in files, so it outlives the process. `forgetful_disk.rs` replaces the files by what the disk
 * has: a power cut.
 *
 * FORGETFUL_DIR is the watched directory, FORGETFUL_STATE the second one, and FORGETFUL_SEED a number. FORGETFUL_FAULTS has the
 * faults, separated by semicolons: what fails, the files as a pattern, and which of these calls in this process (`5-7`), or
 * how many by chance (`1/20`). For example, `sync journal.db-wal 5-5;full store* 1/20`.
 *
 *   sync   fsync or fdatasync fails with EIO, and the file's dirty units become clean: some reach the disk, the others only
 *          if they are written again. This is what Linux does. The file `.` is the directory; its names stay pending.
 *   kill   the process is killed before it syncs, or after this sync has failed
 *   full   a write fails with ENOSPC, and so does an extension of the file
 *   short  a write writes only half of its bytes
 *
 * One process at a time can use the directory. Files that end with `-shm` are not watched: SQLite rebuilds them. What is not
 * modelled, such as O_SYNC, ends the process. sync_file_range promises nothing, so it changes nothing here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    UNIT = 512,      /* a disk writes a sector as a whole */
    UNITS = 1 << 20, /* of a file, at most: 512 MiB */
    CHUNK = 128,     /* units that are copied at once */
    FILES = 64,
    FAULTS = 16,
    NAME = 64,
};

/* A watched file. It stays in the table until the process ends, because closing `real` would release the process's locks. */
struct file {
    dev_t dev;
    ino_t ino;
    int real, shadow;
    unsigned char *dirty;
    char name[NAME];
};

enum kind { SYNC, KILL, FULL, SHORT };
static const char *const kinds[] = {"sync", "kill", "full", "short"};

struct fault {
    enum kind kind;
    char files[NAME];
    char how; /* '-': the calls from `first` to `last`; '/': one of `last` */
    unsigned first, last, calls;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for everything below, and for all calls on watched files */
static struct file files[FILES];
static int file_count;
static struct fault faults[FAULTS];
static int fault_count;
static uint64_t seed;
static int watched = -1, live = -1, disk = -1, dirty = -1, fired = -1;
static struct stat watched_stat;

/* The kernel's calls, because the C library's functions of these names are replaced here. */
static int kernel_open(int at, const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

static int kernel_truncate(int fd, off_t size) {
    return (int)syscall(SYS_ftruncate, fd, size);
}

static int kernel_unlink(int at, const char *path, int flags) {
    return (int)syscall(SYS_unlinkat, at, path, flags);
}

static int kernel_rename(int at, const char *from, int to_at, const char *to) {
    return (int)syscall(SYS_renameat2, at, from, to_at, to, 0);
}

static ssize_t kernel_write(int fd, const struct iovec *parts, int count, off_t at) {
    return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0L);
}

/* Opens a file for this library itself. */
static int open_own(int at, const char *path, int flags) {
    return kernel_open(at, path, flags | O_CLOEXEC, 0600);
}

static void refuse(const char *what) {
    dprintf(STDERR_FILENO, "forgetful.c: %s: %s\n", what, strerror(errno));
    abort();
}

/* Whether a thing that has a chance of one in `n` happens. */
static int chance(unsigned n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (seed >> 33) % n == 0;
}

/* Counts a call; returns whether it has to fail. */
static int fails(enum kind kind, const char *name) {
    int result = 0;
    for (struct fault *fault = faults; fault < faults + fault_count; fault++) {
        if (fault->kind != kind || fnmatch(fault->files, name, 0) != 0) continue;
        unsigned call = ++fault->calls;
        if (fault->how == '/' ? chance(fault->last) : call >= fault->first && call <= fault->last) {
            dprintf(fired, "%s %s %u\n", kinds[kind], name, call);
            result = 1;
        }
    }
    return result;
}

static void read_faults(const char *text) {
    while (*text) {
        char kind[NAME];
        struct fault *fault = &faults[fault_count++];
        if (fault_count > FAULTS) refuse("too many faults");
        if (sscanf(text, "%63s %63s %u%c%u", kind, fault->files, &fault->first, &fault->how, &fault->last) != 5) refuse(text);
        while (strcmp(kind, kinds[fault->kind]) != 0)
            if (fault->kind++ == SHORT) refuse(text);
        text += strcspn(text, ";");
        text += *text == ';';
    }
}

__attribute__((constructor)) static void start(void) {
    const char *dir = getenv("FORGETFUL_DIR"), *state = getenv("FORGETFUL_STATE"), *number = getenv("FORGETFUL_SEED");
    if (!dir || !state || !number) return;
    seed = strtoull(number, NULL, 10) * 0x9E3779B97F4A7C15u | 1;
    read_faults(getenv("FORGETFUL_FAULTS") ? getenv("FORGETFUL_FAULTS") : "");
    int at = open_own(AT_FDCWD, state, O_PATH);
    live = open_own(at, "live", O_PATH), disk = open_own(at, "disk", O_PATH), dirty = open_own(at, "dirty", O_PATH);
    fired = open_own(at, "fired", O_WRONLY | O_APPEND | O_CREAT);
    watched = open_own(AT_FDCWD, dir, O_PATH);
    if (live < 0 || disk < 0 || dirty < 0 || fired < 0 || fstat(watched, &watched_stat) != 0) refuse(state);
    close(at);
}

/* The name of a watched file; NULL if the path leads elsewhere. */
static const char *watched_name(int at, const char *path) {
    char dir[4096];
    struct stat stat;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = slash ? (size_t)(slash - path) + 1 : 0, end = strlen(name);
    if (watched < 0 || length >= sizeof dir || (end > 4 && strcmp(name + end - 4, "-shm") == 0)) return NULL;
    memcpy(dir, path, length);
    strcpy(dir + length, ".");
    if (fstatat(at, dir, &stat, 0) != 0 || stat.st_dev != watched_stat.st_dev || stat.st_ino != watched_stat.st_ino) return NULL;
    if (end >= NAME) refuse("the name is too long");
    return name;
}

static struct file *find(const struct stat *stat) {
    for (struct file *file = files; file < files + file_count; file++)
        if (file->ino == stat->st_ino && file->dev == stat->st_dev) return file;
    return NULL;
}

/* The watched file of a descriptor, with the mutex; NULL without it if there is none. */
static struct file *enter(int fd) {
    struct stat stat;
    if (watched < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return NULL;
    pthread_mutex_lock(&mutex);
    struct file *file = find(&stat);
    if (!file) pthread_mutex_unlock(&mutex);
    return file;
}

static ssize_t leave(ssize_t result) {
    int error = errno;
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static off_t size_of(int fd) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) refuse("fstat");
    return stat.st_size;
}

/* Copies units of the file to the disk. They become clean afterwards, so that a kill in between loses nothing. */
static void write_back(struct file *file, size_t unit, size_t count) {
    static char bytes[CHUNK * UNIT];
    ssize_t length = pread(file->real, bytes, count * UNIT, unit * UNIT);
    if (length < 0) refuse("cannot read a file");
    if (length > 0 && kernel_write(file->shadow, &(struct iovec){bytes, length}, 1, unit * UNIT) != length) refuse("cannot write a shadow");
    memset(file->dirty + unit, 0, count);
}

/* Called before the file changes. Now and then, what was there reaches the disk first, as by the kernel's own write-back. */
static void touch(struct file *file, off_t at, off_t bytes) {
    if (bytes <= 0) return;
    size_t first = at / UNIT, last = (at + bytes - 1) / UNIT;
    if (last >= UNITS) refuse("the file is too large");
    for (size_t unit = first; unit <= last; unit++) {
        if (file->dirty[unit] && chance(16)) write_back(file, unit, 1);
        file->dirty[unit] = 1;
    }
}

/* The end of the file is now at `size`. On the disk there can be more, until the next sync. */
static void cut_off(struct file *file, off_t size) {
    touch(file, size, size_of(file->shadow) - size);
}

/* Writes all dirty units to the disk. If the sync fails, the disk gets none or some of them, but all become clean. */
static void sync_file(struct file *file, int failed) {
    off_t size = size_of(file->real), old = size_of(file->shadow);
    int none = failed && chance(2);
    unsigned char *end = file->dirty + (size > old ? size : old) / UNIT + 1, *unit = file->dirty;
    while ((unit = memchr(unit, 1, end - unit))) {
        size_t count = 1;
        while (!failed && count < CHUNK && unit + count < end && unit[count]) count++;
        if (!failed || (!none && chance(2)))
            write_back(file, unit - file->dirty, count);
        else
            *unit = 0;
        unit += count;
    }
    if (!failed && kernel_truncate(file->shadow, size) != 0) refuse("cannot truncate a shadow");
}

/* Makes the directory on the disk like the one that the program sees. */
static void sync_names(void) {
    for (int gone = 0; gone < 2; gone++) {
        int from = gone ? disk : live;
        DIR *names = fdopendir(open_own(from, ".", O_RDONLY));
        if (!names) refuse("fdopendir");
        for (struct dirent *entry; (entry = readdir(names));) {
            const char *name = entry->d_name;
            struct stat stat;
            if (name[0] == '.') continue;
            if (gone && fstatat(live, name, &stat, 0) != 0) kernel_unlink(disk, name, 0);
            if (gone) continue;
            kernel_unlink(disk, ".new", 0); /* a rename leaves it if both names already lead to the same file */
            if (linkat(live, name, disk, ".new", 0) != 0 || kernel_rename(disk, ".new", disk, name) != 0) refuse(name);
        }
        closedir(names);
    }
}

/* Adds a file that was just opened to the table. */
static struct file *watch(const char *name, int fd, int created) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) refuse(name);
    struct file *file = find(&stat);
    if (file || !S_ISREG(stat.st_mode)) return file;
    if (file_count == FILES) refuse("too many files");
    file = &files[file_count++];
    file->dev = stat.st_dev, file->ino = stat.st_ino;
    strcpy(file->name, name);
    if (created) kernel_unlink(live, name, 0); /* left by a process that was killed while it deleted the file */
    file->shadow = open_own(live, name, O_RDWR | O_CREAT | O_EXCL);
    created = file->shadow >= 0;
    if (!created) file->shadow = open_own(live, name, O_RDWR);
    file->real = open_own(watched, name, O_RDONLY);
    if (file->shadow < 0 || file->real < 0 || fstat(file->shadow, &stat) != 0) refuse(name);
    char inode[32];
    snprintf(inode, sizeof inode, "%ju", (uintmax_t)stat.st_ino);
    int map = open_own(dirty, inode, O_RDWR | O_CREAT | (created ? O_TRUNC : 0));
    if (map < 0 || kernel_truncate(map, UNITS) != 0) refuse(inode);
    file->dirty = (void *)syscall(SYS_mmap, NULL, (size_t)UNITS, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0L);
    if (file->dirty == MAP_FAILED) refuse(inode);
    close(map);
    if (created) touch(file, 0, size_of(file->real));
    return file;
}

/* Whether a call of open has a mode. */
#define HAS_MODE(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)

int openat(int at, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = HAS_MODE(flags) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    const char *name = watched_name(at, path);
    if (!name || flags & O_DIRECTORY || *name == '\0') return kernel_open(at, path, flags, mode);
    if (flags & (O_DSYNC | O_SYNC | O_APPEND)) refuse("O_SYNC, O_DSYNC and O_APPEND are not modelled");
    pthread_mutex_lock(&mutex);
    int created = flags & O_CREAT && faccessat(watched, name, F_OK, 0) != 0;
    int fd = kernel_open(at, path, flags, mode);
    struct file *file = fd >= 0 ? watch(name, fd, created) : NULL;
    if (file && flags & O_TRUNC) cut_off(file, 0);
    return (int)leave(fd);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = HAS_MODE(flags) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return openat(AT_FDCWD, path, flags, mode);
}

int creat(const char *path, mode_t mode) {
    return openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Writes at an offset, or at the current one if it is negative. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at) {
    struct file *file = enter(fd);
    if (!file) return kernel_write(fd, parts, count, at);
    if (fails(FULL, file->name)) {
        errno = ENOSPC;
        return leave(-1);
    }
    struct iovec half;
    if (count > 0 && fails(SHORT, file->name)) {
        half = (struct iovec){parts[0].iov_base, (parts[0].iov_len + 1) / 2};
        parts = &half, count = 1;
    }
    off_t bytes = 0;
    for (int part = 0; part < count; part++) bytes += parts[part].iov_len;
    touch(file, at < 0 ? lseek(fd, 0, SEEK_CUR) : at, bytes);
    return leave(kernel_write(fd, parts, count, at));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return write_parts(fd, parts, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_parts(fd, &(struct iovec){(void *)bytes, length}, 1, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return write_parts(fd, parts, count, -1);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return write_parts(fd, &(struct iovec){(void *)bytes, length}, 1, -1);
}

int ftruncate(int fd, off_t size) {
    struct file *file = enter(fd);
    if (!file) return kernel_truncate(fd, size);
    if (size > size_of(fd) && fails(FULL, file->name)) {
        errno = ENOSPC;
        return (int)leave(-1);
    }
    cut_off(file, size);
    return (int)leave(kernel_truncate(fd, size));
}

int fallocate(int fd, int mode, off_t at, off_t bytes) {
    struct file *file = enter(fd);
    if (!file) return (int)syscall(SYS_fallocate, fd, mode, at, bytes);
    if (fails(FULL, file->name)) {
        errno = ENOSPC;
        return (int)leave(-1);
    }
    touch(file, at, bytes);
    return (int)leave(syscall(SYS_fallocate, fd, mode, at, bytes));
}

int posix_fallocate(int fd, off_t at, off_t bytes) {
    return fallocate(fd, 0, at, bytes) == 0 ? 0 : errno;
}

/* Watched files need no real sync: what the kernel has outlives the process. */
static int sync_fd(int fd, long call) {
    struct stat stat;
    struct file *file = enter(fd);
    if (!file) {
        if (watched < 0 || fstat(fd, &stat) != 0 || stat.st_dev != watched_stat.st_dev || stat.st_ino != watched_stat.st_ino)
            return (int)syscall(call, fd);
        pthread_mutex_lock(&mutex);
    }
    const char *name = file ? file->name : ".";
    int failed = fails(SYNC, name), killed = fails(KILL, name);
    if (file && (failed || !killed)) sync_file(file, failed);
    if (!file && !failed && !killed) sync_names();
    if (killed) kill(getpid(), SIGKILL);
    errno = EIO;
    return (int)leave(failed ? -1 : 0);
}

int fsync(int fd) {
    return sync_fd(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return sync_fd(fd, SYS_fdatasync);
}

int unlinkat(int at, const char *path, int flags) {
    const char *name = watched_name(at, path);
    if (!name) return kernel_unlink(at, path, flags);
    pthread_mutex_lock(&mutex);
    int result = kernel_unlink(at, path, flags);
    if (result == 0) kernel_unlink(live, name, 0);
    return (int)leave(result);
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int renameat2(int at, const char *path, int new_at, const char *new_path, unsigned flags) {
    const char *name = watched_name(at, path), *new_name = watched_name(new_at, new_path);
    if (!name && !new_name) return (int)syscall(SYS_renameat2, at, path, new_at, new_path, flags);
    if (!name || !new_name || flags & RENAME_EXCHANGE) refuse("this rename is not modelled");
    pthread_mutex_lock(&mutex);
    int result = (int)syscall(SYS_renameat2, at, path, new_at, new_path, flags);
    struct stat stat;
    if (result == 0) {
        if (kernel_rename(live, name, live, new_name) != 0) refuse(name);
        struct file *file = fstatat(watched, new_name, &stat, 0) == 0 ? find(&stat) : NULL;
        if (file) strcpy(file->name, new_name);
    }
    return (int)leave(result);
}

int renameat(int at, const char *path, int new_at, const char *new_path) {
    return renameat2(at, path, new_at, new_path, 0);
}

int rename(const char *path, const char *new_path) {
    return renameat2(AT_FDCWD, path, AT_FDCWD, new_path, 0);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at) {
    if (protection & PROT_WRITE && flags & MAP_SHARED && fd >= 0 && enter(fd)) refuse("a writable mapping is not modelled");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, at);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t bytes, unsigned flags) {
    if (enter(to)) refuse("copy_file_range is not modelled");
    return syscall(SYS_copy_file_range, from, at, to, to_at, bytes, flags);
}

/* On 64-bit systems, both names mean the same function. */
#define SAME(type, name, other, ...) type other(__VA_ARGS__) __attribute__((alias(#name)))
SAME(int, openat, openat64, int, const char *, int, ...);
SAME(int, open, open64, const char *, int, ...);
SAME(int, creat, creat64, const char *, mode_t);
SAME(ssize_t, pwritev, pwritev64, int, const struct iovec *, int, off64_t);
SAME(ssize_t, pwrite, pwrite64, int, const void *, size_t, off64_t);
SAME(int, ftruncate, ftruncate64, int, off64_t);
SAME(int, fallocate, fallocate64, int, int, off64_t, off64_t);
SAME(int, posix_fallocate, posix_fallocate64, int, off64_t, off64_t);
SAME(void *, mmap, mmap64, void *, size_t, int, int, int, off64_t);
