package io.gatun.vhostuser;

/**
 * What a device may tell its front-end.
 *
 * <p><b>Thread-safety:</b> any thread; a call after {@link VirtioDevice#detached} does nothing.
 */
public interface DeviceEvents {
    /**
     * The configuration space changed: sent as {@code CONFIG_CHANGE_MSG} where the front-end opened the back-end
     * channel, or as soon as a ring runs, because a suspended device must not speak. Several changes may become one
     * message.
     */
    void configChanged();
}
