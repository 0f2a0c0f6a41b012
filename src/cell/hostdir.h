/* hostdir.h - a directory of the host by its checked name. Between the check and the use a task of another cell may put a link in
 * its place, which would lead anywhere. */
#ifndef MISHRI_CELL_HOSTDIR_H
#define MISHRI_CELL_HOSTDIR_H

/* As O_PATH; no part of the name may be a link now: -1 and ELOOP. */
int hostdir_open(const char *path);

/* A copy of what is mounted there and below it, to be mounted elsewhere; -1 and errno. */
int hostdir_tree(const char *path);

#endif
