/* banned.h - functions that do not compile in this project. Include it last.
 * Each has no bound, hides a failure, runs a shell, or depends on the locale or the time zone. */
#ifndef MISHRI_BASE_BANNED_H
#define MISHRI_BASE_BANNED_H

/* Some C libraries make macros of these, which cannot be poisoned. */
#undef alloca
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef gets

#pragma GCC poison system popen sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atof
#pragma GCC poison gets localtime gmtime ctime asctime alloca tmpnam mktemp tempnam

#endif
