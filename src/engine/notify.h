/* notify.h - what the service manager is told (sd_notify(3)): a datagram to NOTIFY_SOCKET, nothing where that is not set. */
#ifndef MISHRI_ENGINE_NOTIFY_H
#define MISHRI_ENGINE_NOTIFY_H

#include "base/util.h"

/* Each may be called from any thread; a message that does not arrive is no error. */
void notify_ready(void);                                /* it takes work */
void notify_stopping(void);
void notify_status(const char *text);                   /* one line for `systemctl status` */
void notify_alive(void);                                /* WatchdogSec begins anew */
int64_t notify_alive_every_ms(void);                    /* what the manager asks for, halved; 0: it does not */

#endif
