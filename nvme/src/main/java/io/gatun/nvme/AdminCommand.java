package io.gatun.nvme;

/**
 * The fields of an admin command that are not zero; everything but what carries data.
 *
 * <p><b>Thread-safety:</b> belongs to whoever makes it.
 */
final class AdminCommand {
    final int opcode;
    int namespace;
    long prp1;
    long prp2;
    int cdw10;
    int cdw11;
    int cdw12;
    int cdw13;

    /** The driver reckons with a refusal: it is no error of the controller's. */
    boolean mayBeRefused;

    AdminCommand(int opcode) {
        this.opcode = opcode;
    }

    AdminCommand namespace(int id) {
        namespace = id;
        return this;
    }

    AdminCommand prp(long first, long second) {
        prp1 = first;
        prp2 = second;
        return this;
    }

    AdminCommand words(int word10, int word11) {
        cdw10 = word10;
        cdw11 = word11;
        return this;
    }

    AdminCommand offset(int word12, int word13) {
        cdw12 = word12;
        cdw13 = word13;
        return this;
    }

    AdminCommand mayBeRefused() {
        mayBeRefused = true;
        return this;
    }
}
