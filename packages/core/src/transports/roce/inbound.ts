/** How a message that arrived becomes a completion; the same for all kinds of queue pairs. */
import type { Packet } from '../../engine/packet.ts';
import { CompletionOpcode, Status } from '../../engine/status.ts';
import type { Core } from './core.ts';
import { SOLICITED } from './packets.ts';
import { Inbound, type QueuePair } from './queue-pair.ts';

/**
 * Completes the receive that was taken. The caller has set what the last packet says in `responder.completion`: immediate
 * data, key, solicited.
 */
export function completeMessage(core: Core, qp: QueuePair, status: number, isWrite = false): void {
  const rx = qp.responder;
  const { completion, receive } = rx;
  const { config } = qp;
  rx.inbound = Inbound.NONE;
  rx.hasReceive = false;
  completion.wrIdLo = receive.wrIdLo;
  completion.wrIdHi = receive.wrIdHi;
  completion.status = status;
  completion.opcode = isWrite ? CompletionOpcode.RECV_RDMA_WITH_IMM : CompletionOpcode.RECV;
  completion.byteLength = rx.arrived;
  if (status !== Status.SUCCESS) {
    completion.hasImm = completion.hasInvalidated = completion.solicited = false;
    completion.immLo = 0;
  }
  completion.remoteQpn = qp.peerQpn;
  completion.path = qp.peerPath;
  completion.jobId = config.jobId;
  core.services.completeReceive(config.qp, completion);
}

/** The sender wants its peer's program woken. */
export const isSolicited = ({ view, at }: Packet): boolean => (view.getUint32(at) & SOLICITED) !== 0;
