/** Ports to the host's kernel: TAP interfaces, with the offloads of virtio-net. */
package io.gatun.pmd.tap;
