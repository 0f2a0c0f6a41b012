/* io.h - descriptors and small files. Every descriptor is close-on-exec. */
#ifndef MISHRI_BASE_IO_H
#define MISHRI_BASE_IO_H

#include "base/buf.h"
#include "base/err.h"

void fd_closep(int *fd);                                /* for AUTO(fd_closep): closes when >= 0 */
void fd_close(int *fd);                                 /* closes and sets -1 */
MUST_USE int fd_set_nonblock(int fd);                   /* 0 or -errno */

/* All bytes, through EINTR and short counts. 0 or -errno; read gives -EIO when the end comes early. */
MUST_USE int io_write_all(int fd, const void *ptr, size_t len);
MUST_USE int io_read_all(int fd, void *ptr, size_t len);

/* The rest of a descriptor, or a whole file, appended to `ret` (whose maximum bounds it). */
MUST_USE int io_read_fd(int fd, struct buf *ret, struct err *err);
MUST_USE int io_read_file(const char *path, struct buf *ret, struct err *err);

/* Makes a directory and its parents, mode 0700. */
MUST_USE int io_mkdirs(const char *path, struct err *err);

#endif
