/**
 * The measuring client behind {@code gatun bench}: a virtio-blk front-end of our own, which works against any
 * vhost-user-blk server.
 *
 * <p>Reading order: {@link io.gatun.daemon.bench.BlkBenchOptions} (what can be asked), {@link
 * io.gatun.daemon.bench.BlkBench} (one run), {@code BlkBenchWorker} (the loop of one queue), {@code BlkTransport} (how
 * a request reaches the device), {@code BlockStamps} (how data is verified).
 *
 * <p>The client must be faster than what it measures: one thread per queue polls the used ring, headers and status
 * bytes of neighbouring slots share cache lines, descriptors of a split ring are written once per run, the clock is
 * read once per burst of completions, and nothing is allocated. What the client itself costs is measured by exchanging
 * the device for a copy in the same thread, or for nothing ({@link io.gatun.daemon.bench.BlkBenchOptions.Device}).
 *
 * <p>{@code gatun bench net} is the same for network devices: {@link io.gatun.daemon.bench.NetBenchOptions}, {@link
 * io.gatun.daemon.bench.NetBench}, {@code NetBenchWorker}, {@code PacketStamps}.
 */
package io.gatun.daemon.bench;
