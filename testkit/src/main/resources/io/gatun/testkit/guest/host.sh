# Steps with the host's files, shared read-only, and with PCI functions.

# The host's root in /mnt, with our own devices and a place for temporary files in /run.
step_host_files() {
    mount -t virtiofs -o ro host /mnt
    for folder in dev proc sys; do mount --bind "/$folder" "/mnt/$folder"; done
    mount -t tmpfs run /mnt/run
}

# host_program PROGRAM ARGUMENTS...: runs a program of the host.
step_host_program() { chroot /mnt "$@"; }

# huge_pages COUNT: reserves hugepages of the default size.
step_huge_pages() {
    echo "$1" >/proc/sys/vm/nr_hugepages
    [ "$(cat /proc/sys/vm/nr_hugepages)" = "$1" ] || fail "the kernel has only $(cat /proc/sys/vm/nr_hugepages)"
}

# As in a container that was given /dev/iommu and its devices alone.
step_no_vfio_groups() { rm /dev/vfio/vfio; }

# pci_driver ADDRESS DRIVER: hands a PCI function to a driver, whoever has it.
step_pci_driver() {
    function=/sys/bus/pci/devices/$1
    [ ! -e "$function/driver" ] || echo "$1" >"$function/driver/unbind"
    echo "$2" >"$function/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
    [ "$(basename "$(readlink "$function/driver")")" = "$2" ] || fail "$1 was not taken by $2"
}
