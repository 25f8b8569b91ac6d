/** Whether a request may be executed: the rows of the check order, in order. @spec uet:ses/8 */
import { Access, AccessFault } from '../../../engine/status.ts';
import type { Reach } from '../../../engine/work.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import { codeOfFault } from '../return-codes.ts';
import { domainOf } from '../tss/paths.ts';
import type { Answer } from './answer.ts';
import { ATOMIC_RIGHTS, atomicReach, checkAtomic, isAtomicWhole } from './atomic-checks.ts';
import { isTagged } from './matched-sends.ts';
import { isAtomic, isDeferrable, isRendezvous, isSend, type RequestFields } from './request-fields.ts';

export class RequestChecks {
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #request: RequestFields;
  readonly #reach: Reach;
  readonly #answer: Answer;
  readonly #mtu: number;
  /** The queue pair that the request is for, once it was found. */
  qp: LocalQueuePair | undefined = undefined;

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
    const isAmo = isAtomic(request.opcode);
    const isTaggedAmo = isAmo && isTagged(request.opcode);
    const isFillingReceive = isSend(request.opcode) || isTaggedAmo;
    const isRead = request.opcode === SesOpcode.READ;
    if (!isFillingReceive && !isRead && !isAmo && request.opcode !== SesOpcode.WRITE) return ReturnCode.UNSUPPORTED_OP;
    const isTooShort =
      request.small && (request.isSmallest || isDeferrable(request.opcode) || isRendezvous(request.opcode));
    if (isFillingReceive && isTooShort) return ReturnCode.UNSUPPORTED_OP;
    if (request.jobId === 0 || (request.rel && !pairs.hasJob(request.jobId))) return ReturnCode.BAD_JOB_ID;
    if (!pairs.hasPid(request.rel, request.pid)) return ReturnCode.BAD_PID;
    const qp = request.isSmallest ? this.#ofSmall(path) : pairs.find(request.rel, request.pid, request.resource);
    this.qp = qp;
    // to other secure domains it is not there, and datagrams are all that one for datagrams takes
    if (qp === undefined || qp.config.type === 'UD' || (qp.config.domain ?? 0) !== domainOf(path))
      return ReturnCode.BAD_INDEX;
    if (isTagged(request.opcode) && qp.matching === undefined) return ReturnCode.BAD_INDEX; // it has no index among those for tags
    if (request.rel && qp.config.jobId !== request.jobId) return ReturnCode.BAD_PID;
    if (qp.disabled && isFillingReceive) {
      this.#answer.generation = qp.generation;
      return ReturnCode.DISABLED_GEN;
    }
    if (isFillingReceive && request.generation !== qp.generation) {
      this.#answer.generation = qp.generation;
      return ReturnCode.BAD_GENERATION;
    }
    if (request.ie) return ReturnCode.INITIATOR_ERROR;
    const isWhole = isAmo
      ? isAtomicWhole(request, payload, this.#mtu)
      : isRendezvous(request.opcode)
        ? request.single && request.piece === payload && payload <= Math.min(this.#mtu, request.length)
        : this.fits(request.length, request.at, request.piece, isRead ? 0 : payload);
    if (!isWhole) return ReturnCode.OP_VIOLATION;
    if (isFillingReceive) return 0;
    const reach = this.#reach;
    reach.qp = qp.config.qp;
    reach.pd = qp.config.pd;
    reach.jobId = request.jobId;
    reach.keyLo = request.keyLo;
    reach.keyHi = request.keyHi;
    // beyond 2^53 no region reaches; the key is checked all the same, so that its faults come first
    const beyond = request.offsetHi >= 0x20_0000;
    reach.offset = beyond ? Number.MAX_SAFE_INTEGER : request.offsetHi * 0x1_0000_0000 + request.offsetLo;
    reach.length = isAmo ? atomicReach(request) : request.length;
    reach.rights = isAmo ? ATOMIC_RIGHTS : isRead ? Access.REMOTE_READ : Access.REMOTE_WRITE;
    const fault = this.#core.services.reach(reach);
    if (fault !== AccessFault.NONE) return codeOfFault[fault] ?? ReturnCode.UNCOR;
    if (beyond) return ReturnCode.BAD_ADDR;
    return isAmo ? checkAtomic(request, this.#mtu) : 0;
  }

  /**
   * The small header has no place for a resource index: its key names a region of the process. The queue pair is the
   * first whose protection domain has that; otherwise any that may answer.
   */
  #ofSmall(path: number): LocalQueuePair | undefined {
    const request = this.#request;
    const reach = this.#reach;
    const domain = domainOf(path);
    let first: LocalQueuePair | undefined;
    let asked = 0;
    let left = MAX_ASKED;
    for (const qp of this.#queuePairs.ofProcess(request.rel, request.pid)) {
      if (--left < 0) break;
      const { config } = qp;
      const mayAnswer = config.type !== 'UD' && (config.domain ?? 0) === domain;
      if (!mayAnswer || (request.rel && config.jobId !== request.jobId) || config.pd === asked) continue;
      first ??= qp;
      asked = config.pd;
      reach.qp = config.qp;
      reach.pd = asked;
      reach.jobId = request.jobId;
      reach.keyLo = request.keyLo;
      reach.keyHi = request.keyHi;
      reach.offset = reach.length = reach.rights = 0;
      reach.isProbe = true;
      const fault = this.#core.services.reach(reach);
      reach.isProbe = false;
      if (fault !== AccessFault.NO_KEY) return qp;
    }
    return first;
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

/** Queue pairs of a process that are asked for a key. */
const MAX_ASKED = 64;
