/** What a queue pair that matches does, as plain lists: the rules of the library that programs know it by. */
import { CompletionOpcode, Status } from '../../../engine/status.ts';

export interface ModelReceive {
  readonly id: number;
  readonly tag: number | undefined;
  readonly ignore: number;
  readonly source: number | undefined;
  readonly length: number;
  /** Least room for another message; undefined: for one message. */
  readonly multi: number | undefined;
}

export interface ModelMessage {
  readonly tag: number | undefined;
  readonly source: number;
  readonly length: number;
  readonly salt: number;
}

/** What a program is told, and where the bytes of which message must be then. */
export interface ModelCompletion {
  readonly id: number;
  readonly opcode: number;
  readonly status: number;
  readonly bytes: number;
  readonly extra: number;
  readonly tag: number;
  readonly source: number;
  readonly holds: boolean;
  readonly released: boolean;
  readonly data?: { readonly salt: number; readonly total: number; readonly at: number };
}

interface Posted extends ModelReceive {
  used: number;
}

/** @spec uet:ses/4 */
export class MatchingModel {
  #posted: Posted[] = [];
  #waiting: ModelMessage[] = [];
  readonly #claimed = new Map<number, ModelMessage>();
  #told: ModelCompletion[] = [];

  /** What was told since the last call. */
  told(): ModelCompletion[] {
    const told = this.#told;
    this.#told = [];
    return told;
  }

  get waiting(): number {
    return this.#waiting.length + this.#claimed.size;
  }

  arrive(message: ModelMessage): void {
    for (;;) {
      const at = this.#posted.findIndex((one) => takes(one, message));
      const one = this.#posted[at];
      if (one === undefined) {
        this.#waiting.push(message);
        return;
      }
      if (one.multi !== undefined && one.used > 0 && message.length > one.length - one.used) {
        this.#posted.splice(at, 1);
        this.#release(one);
        continue;
      }
      if (this.#fill(one, message)) this.#posted.splice(at, 1);
      return;
    }
  }

  post(receive: ModelReceive): void {
    const posted = { ...receive, used: 0 };
    for (;;) {
      const at = this.#waiting.findIndex((one) => takes(posted, one));
      const message = this.#waiting[at];
      if (message === undefined) {
        this.#posted.push(posted);
        return;
      }
      if (posted.multi !== undefined && posted.used > 0 && message.length > posted.length - posted.used) {
        this.#release(posted);
        return;
      }
      this.#waiting.splice(at, 1);
      if (this.#fill(posted, message)) return;
    }
  }

  peek(look: ModelReceive, then: 'nothing' | 'claim' | 'discard'): void {
    const at = this.#waiting.findIndex((one) => takes(look, one));
    const message = this.#waiting[at];
    if (message === undefined) return this.#tell(look.id, CompletionOpcode.PEEK, Status.TM_ERR);
    if (then !== 'nothing') this.#waiting.splice(at, 1);
    if (then === 'claim') this.#claimed.set(look.id, message);
    this.#tell(look.id, CompletionOpcode.PEEK, Status.SUCCESS, { bytes: message.length, ...about(message) });
  }

  claim(receive: ModelReceive, discard: boolean): void {
    const message = this.#claimed.get(receive.id);
    this.#claimed.delete(receive.id);
    const opcode = receive.tag === undefined ? CompletionOpcode.RECV : CompletionOpcode.RECV_TAGGED;
    if (message === undefined) this.#tell(receive.id, opcode, Status.TM_ERR);
    else if (discard) this.#tell(receive.id, opcode, Status.SUCCESS);
    else this.#fill({ ...receive, multi: undefined, used: 0 }, message);
  }

  cancel(id: number): void {
    const at = this.#posted.findIndex((one) => one.id === id);
    const [one] = at < 0 ? [] : this.#posted.splice(at, 1);
    if (one !== undefined) this.#flush(one);
    this.#tell(id, CompletionOpcode.CANCEL, one === undefined ? Status.TM_ERR : Status.SUCCESS);
  }

  /** The queue pair goes. */
  close(): void {
    for (const one of this.#posted.splice(0)) this.#flush(one);
    this.#waiting.length = 0;
    this.#claimed.clear();
  }

  /** @returns true when the receive takes no more */
  #fill(one: Posted, message: ModelMessage): boolean {
    const at = one.used;
    const bytes = Math.min(message.length, one.length - at);
    one.used += bytes;
    const left = one.length - one.used;
    const isOver = one.multi === undefined || left < one.multi || left === 0;
    const missing = message.length - bytes;
    const opcode = message.tag === undefined ? CompletionOpcode.RECV : CompletionOpcode.RECV_TAGGED;
    this.#tell(one.id, opcode, missing > 0 ? Status.LOC_LEN_ERR : Status.SUCCESS, {
      ...{ bytes, extra: missing > 0 ? missing : at, ...about(message) },
      ...{ holds: !isOver, released: isOver && one.multi !== undefined },
      data: { salt: message.salt, total: message.length, at },
    });
    return isOver;
  }

  #release({ id, tag }: Posted): void {
    const opcode = tag === undefined ? CompletionOpcode.RECV : CompletionOpcode.RECV_TAGGED;
    this.#tell(id, opcode, Status.SUCCESS, { released: true });
  }

  #flush({ id, tag, multi }: Posted): void {
    const opcode = tag === undefined ? CompletionOpcode.RECV : CompletionOpcode.RECV_TAGGED;
    this.#tell(id, opcode, Status.WR_FLUSH_ERR, { released: multi !== undefined });
  }

  #tell(id: number, opcode: number, status: number, more: Partial<ModelCompletion> = {}): void {
    const nothing = { bytes: 0, extra: 0, tag: 0, source: 0, holds: false, released: false };
    this.#told.push({ id, opcode, status, ...nothing, ...more });
  }
}

const about = ({ tag, source }: ModelMessage) => ({ tag: tag ?? 0, source });

export function takes(receive: ModelReceive, message: ModelMessage): boolean {
  if ((receive.tag === undefined) !== (message.tag === undefined)) return false;
  if (((receive.tag ?? 0) ^ (message.tag ?? 0)) & ~receive.ignore && receive.tag !== undefined) return false;
  return receive.source === undefined || receive.source === message.source;
}
