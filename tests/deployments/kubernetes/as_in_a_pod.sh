#!/bin/sh
# Runs a command as a pod of deployments/kubernetes does: as user 10001, in /triptych, on a file system
# that is read-only but for the folders that are named. Needs root; run by `unshare --mount`:
#   as_in_a_pod.sh CHECKOUT PYTHON 'FOLDER=WHERE …' COMMAND …
# PYTHON: the folder of the interpreter that the virtual environment is made of. FOLDER=WHERE: a
# folder that can be written, and where its content lies.
set -eu
checkout=$1 python=$2 volumes=$3
shift 3
root=$(mktemp -d)
mount -t tmpfs tmpfs "$root"
mkdir "$root/tmp" "$root/triptych"

show() {  # what lies at $1 at $2, to be read alone
    mkdir -p "$root$2"
    mount --rbind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
}

for entry in /*; do
    case $entry in
        /tmp | /root | /triptych | /dev | /proc) ;;
        *)
            if [ -L "$entry" ]; then
                cp -P "$entry" "$root$entry"
            elif [ -d "$entry" ]; then
                show "$entry" "$entry"
            fi
            ;;
    esac
done
[ -e "$root$python" ] || show "$python" "$python"
for entry in "$checkout"/*; do
    if [ -f "$entry" ]; then
        cp "$entry" "$root/triptych/"
    elif [ "$entry" != "$checkout/var" ]; then
        show "$entry" "/triptych/${entry##*/}"
    fi
done
for entry in /dev /proc; do
    mkdir "$root$entry"
    mount --rbind "$entry" "$root$entry"
done
for volume in $volumes; do
    mkdir -p "$root${volume%%=*}"
done
mount -o remount,ro "$root"
for volume in $volumes; do
    mount --bind "${volume#*=}" "$root${volume%%=*}"
done
exec chroot --userspec=10001:10001 "$root" /bin/sh -c 'cd /triptych && exec "$@"' sh "$@"
