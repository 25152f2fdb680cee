/**
 * An NVMe driver: controllers, namespaces, queue pairs. Follows the NVM Express Base Specification 2.0 ("Base" in the
 * comments), the NVM Command Set Specification 1.0 ("NVM") and the PCIe Transport Specification 1.0 ("PCIe").
 *
 * <p>{@link io.gatun.nvme.NvmeTransport} is how a controller is reached.
 */
package io.gatun.nvme;
