/** Whether a request may be executed: the rows of the check order, in order. @spec uet:ses/8 */
import { Access, AccessFault } from '../../../engine/status.ts';
import type { Reach } from '../../../engine/work.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { QueuePairs } from '../queue-pairs.ts';
import { codeOfFault } from '../return-codes.ts';
import { domainOf } from '../tss/paths.ts';
import type { RequestFields } from './request-fields.ts';
import type { Answer } from './target.ts';

export class RequestChecks {
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #request: RequestFields;
  readonly #reach: Reach;
  readonly #answer: Answer;
  readonly #mtu: number;

  /**
   * @param request - the request to check, decoded
   * @param reach - filled with where its bytes are
   * @param answer - told the generation where that is what is wrong
   */
  constructor(core: Core, queuePairs: QueuePairs, request: RequestFields, reach: Reach, answer: Answer) {
    this.#core = core;
    this.#queuePairs = queuePairs;
    this.#request = request;
    this.#reach = reach;
    this.#answer = answer;
    this.#mtu = core.config.payloadMtu;
  }

  /** Rows 1 to 22 of the check order. @returns a return code, 0 when all is well */
  check(path: number, payload: number): number {
    const request = this.#request;
    const pairs = this.#queuePairs;
    if (request.ver !== 0) return ReturnCode.UNCOR;
    const isSend = request.opcode === SesOpcode.SEND;
    const isRead = request.opcode === SesOpcode.READ;
    if (!isSend && !isRead && request.opcode !== SesOpcode.WRITE) return ReturnCode.UNSUPPORTED_OP;
    if (isSend && request.small && request.headerBytes < MEDIUM_BYTES) return ReturnCode.UNSUPPORTED_OP;
    if (request.jobId === 0 || (request.rel && !pairs.hasJob(request.jobId))) return ReturnCode.BAD_JOB_ID;
    if (!pairs.hasPid(request.rel, request.pid)) return ReturnCode.BAD_PID;
    // the small header has no place for a resource index: its key names the region of the process
    const qp = pairs.find(request.rel, request.pid, request.resource);
    // to other secure domains it is not there, and datagrams are all that one for datagrams takes
    if (qp === undefined || qp.config.type === 'UD' || (qp.config.domain ?? 0) !== domainOf(path))
      return ReturnCode.BAD_INDEX;
    if (request.rel && qp.config.jobId !== request.jobId) return ReturnCode.BAD_PID;
    if (qp.disabled && isSend) {
      this.#answer.generation = qp.generation;
      return ReturnCode.DISABLED_GEN;
    }
    if (isSend && request.generation !== qp.generation) {
      this.#answer.generation = qp.generation;
      return ReturnCode.BAD_GENERATION;
    }
    if (request.ie) return ReturnCode.INITIATOR_ERROR;
    if (!this.fits(request.length, request.at, request.piece, isRead ? 0 : payload)) return ReturnCode.OP_VIOLATION;
    if (isSend) return 0;
    const reach = this.#reach;
    reach.qp = qp.config.qp;
    reach.pd = qp.config.pd;
    reach.jobId = request.jobId;
    reach.keyLo = request.keyLo;
    reach.keyHi = request.keyHi;
    // beyond 2^53 no region reaches; the key is checked all the same, so that its faults come first
    const beyond = request.offsetHi >= 0x20_0000;
    reach.offset = beyond ? Number.MAX_SAFE_INTEGER : request.offsetHi * 0x1_0000_0000 + request.offsetLo;
    reach.length = request.length;
    reach.rights = isRead ? Access.REMOTE_READ : Access.REMOTE_WRITE;
    const fault = this.#core.services.reach(reach);
    if (fault === AccessFault.NONE) return beyond ? ReturnCode.BAD_ADDR : 0;
    return codeOfFault[fault] ?? ReturnCode.UNCOR;
  }

  /** Length rules of one packet: full packets, the tail, and what really arrived. */
  fits(length: number, offset: number, piece: number, payload: number): boolean {
    const request = this.#request;
    if (offset % this.#mtu !== 0 || (offset >= length && length > 0) || (length === 0 && offset > 0)) return false;
    const due = Math.min(this.#mtu, length - offset);
    if (piece !== due) return false;
    return request.opcode === SesOpcode.READ || payload === due;
  }
}

const MEDIUM_BYTES = 32;
