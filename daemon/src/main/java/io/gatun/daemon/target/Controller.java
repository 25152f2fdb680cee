package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.vhostuser.VhostUserBackend;

/**
 * A disk at a vhost-user socket.
 *
 * @param name as its creator called it
 * @param device what guests see
 * @param backend its socket and session
 * @param cpumask of the reactors that may serve it
 * @param parameters what {@code vhost_create_blk_controller} makes it from
 */
record Controller(
        String name,
        Disk disk,
        VirtioBlkDevice device,
        VhostUserBackend backend,
        String cpumask,
        ObjectNode parameters) {}
