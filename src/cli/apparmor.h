/* apparmor.h - a profile that lets this program make cells where AppArmor restricts user namespaces. */
#ifndef MISHRI_CLI_APPARMOR_H
#define MISHRI_CLI_APPARMOR_H

/* The caller owns it; NULL: the path of this program cannot be had. */
char *apparmor_text(void);
/* On stdout; returns the exit code. */
int apparmor_print(void);

#endif
