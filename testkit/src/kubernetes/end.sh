# Ends what a cluster consists of, by what its folder says: processes, the host's end of its network, cgroups, the folder.
# With a second argument it first waits until its input is closed, which happens when who holds it ends, however it ends.
folder=$1
if [ $# -gt 1 ]; then
    cat >/dev/null
fi

# When a process was started. Its number may be somebody else's by now, the two together are not.
start_of() {
    if [ -d /proc/self ]; then
        cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null
    else
        echo -
    fi
}

runs() {
    kill -0 "$1" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ]
}

# Looks so often before it gives up: 20 seconds in all.
wait_until_not() {
    patience=1000
    while "$@" && [ $patience -gt 0 ]; do
        sleep 0.02
        patience=$((patience - 1))
    done
}

# In the order of their names: `init`, in which a node's processes end, before `namespaces`, which buries it.
for file in "$folder"/processes/*; do
    [ -e "$file" ] || continue
    read -r pid started <"$file"
    if [ "$started" = "$(start_of "$pid")" ]; then
        kill -KILL "$pid" 2>/dev/null
        wait_until_not runs "$pid"
    fi
done

# The kernel takes the other end, the bridges and the rules with the namespace, but takes its time. By now the name may be
# another cluster's, the index is not.
if [ -e "$folder/link" ]; then
    read -r link index <"$folder/link"
    if [ "$index" = "$(cat "/sys/class/net/$link/ifindex" 2>/dev/null)" ]; then
        ip link delete "$link" 2>/dev/null
    fi
fi

# One in every hierarchy; their names hold no blanks.
cgroups() {
    find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "$1" 2>/dev/null
}
cgroups_stay() {
    for cgroup in $(cgroups "$1"); do
        find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
    [ -n "$(cgroups "$1")" ]
}
if [ -e "$folder/cgroup" ]; then
    wait_until_not cgroups_stay "$(cat "$folder/cgroup")"
fi
rm -rf "$folder"
