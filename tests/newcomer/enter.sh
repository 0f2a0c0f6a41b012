#!/bin/sh
# Runs a command with DIR as the root of a machine of its own: pivot_root, for in a chroot the kernel makes no user
# namespaces. Usage, in new mount and pid namespaces: enter.sh DIR COMMAND...
set -eu
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/old"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
cd "$root"
pivot_root . old
cd /
umount -l /old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
