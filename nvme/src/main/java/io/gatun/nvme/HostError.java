package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import java.time.Instant;

/**
 * A command that a controller completed with an error, as this process saw it.
 *
 * @param number counted from 1 over the life of the {@link NvmeController}
 * @param time when the completion was taken
 * @param queueId the queue pair; 0 for admin commands
 * @param commandId the command's identifier
 * @param opcode the command, in the numbers of its kind of queue; see {@link #operation}
 * @param status what it was completed with, see {@link NvmeStatus}
 * @param namespaceId on which namespace; 0 for none, 0xffffffff for all
 * @param lba the command's first block
 * @param blocks how many blocks it was for; 0 where it was not for blocks
 */
public record HostError(
        long number,
        Instant time,
        int queueId,
        int commandId,
        int opcode,
        int status,
        int namespaceId,
        long lba,
        long blocks) {
    /** The command in words. */
    public String operation() {
        String words = queueId == 0 ? adminCommand() : command();
        return words != null ? words : String.format("opcode %02xh", opcode);
    }

    private String command() {
        return switch (opcode) {
            case Opcode.FLUSH -> "flush";
            case Opcode.WRITE -> "write";
            case Opcode.READ -> "read";
            case Opcode.COMPARE -> "compare";
            case Opcode.WRITE_ZEROES -> "write zeroes";
            case Opcode.DATASET_MANAGEMENT -> "deallocate";
            case Opcode.VERIFY -> "verify";
            default -> null;
        };
    }

    private String adminCommand() {
        return switch (opcode) {
            case Opcode.DELETE_SQ -> "delete submission queue";
            case Opcode.CREATE_SQ -> "create submission queue";
            case Opcode.GET_LOG_PAGE -> "get log page";
            case Opcode.DELETE_CQ -> "delete completion queue";
            case Opcode.CREATE_CQ -> "create completion queue";
            case Opcode.IDENTIFY -> "identify";
            case Opcode.ABORT -> "abort";
            case Opcode.SET_FEATURES -> "set features";
            case Opcode.GET_FEATURES -> "get features";
            case Opcode.ASYNC_EVENT_REQUEST -> "asynchronous event request";
            case Opcode.FORMAT_NVM -> "format";
            default -> null;
        };
    }
}
