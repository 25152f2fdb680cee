package io.gatun.daemon.target;

import io.gatun.daemon.rpc.MethodRegistry;

/** All methods of the daemon. */
public final class Methods {
    public static final MethodRegistry<Target> REGISTRY = new MethodRegistry<>();

    static {
        FrameworkMethods.addTo(REGISTRY);
        BdevMethods.addTo(REGISTRY);
        FileMethods.addTo(REGISTRY);
        NvmeMethods.addTo(REGISTRY);
        QosMethods.addTo(REGISTRY);
        BdevQueries.addTo(REGISTRY);
        IostatMethods.addTo(REGISTRY);
        VhostMethods.addTo(REGISTRY);
        PortMethods.addTo(REGISTRY);
        CaptureMethods.addTo(REGISTRY);
        SwitchMethods.addTo(REGISTRY);
        LoopMethods.addTo(REGISTRY);
    }

    private Methods() {}
}
