# Becomes a systemd of its own, in namespaces that were made for it: $1 is a folder for its root, $2 its
# console, $3 a folder that it has as /test; there, prepare.sh is run beforehand, with the machine's root in $root.
# The system's files are below an overlay; what it writes is gone with it.
set -e
root=$1/root
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
# These are the machine's own: systemd is not to write them. Elsewhere stands a /proc without that cover,
# as the machine has it: while none is there, the kernel lets no namespace mount its own.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mkdir -p "$root/proc-uncovered"
mount -t proc proc "$root/proc-uncovered"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
chmod 1777 "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
touch "$root/dev/console"
mount --bind "$2" "$root/dev/console"
# Nothing of this machine's own services.
rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system" "$root/test"
mount --bind "$3" "$root/test"
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' > "$root/etc/systemd/system/test.target"
. "$root/test/prepare.sh"
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=distcc-rs PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=test.target --log-target=console
