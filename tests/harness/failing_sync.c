/* Preloaded, has one sync fail: the first after the file that FAIL_SYNC names is there, which is then gone. The next ones
 * succeed, as those of Linux do after it has dropped what it could not write. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int synced(const char *name, int file)
{
    const char *wish = getenv("FAIL_SYNC");
    if (wish && unlink(wish) == 0) {
        errno = EIO;
        return -1;
    }
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return next(file);
}

int fsync(int file) { return synced("fsync", file); }

int fdatasync(int file) { return synced("fdatasync", file); }
