/**
 * The gatun program. {@link io.gatun.daemon.Main} starts a command of {@code cli}; commands and the JSON-RPC server of
 * {@code rpc} call methods of one registry, which {@code target} implements on block devices and vhost-user sockets.
 */
package io.gatun.daemon;
