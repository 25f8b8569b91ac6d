/** A queue pair that is connected, until one side ends it. */
import { VerbsError } from '../base/verbs-error.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { WaitOptions } from '../verbs/waiting.ts';
import type { CmEvent, CmLink } from './cm-link.ts';
import { PRIVATE_BYTES } from './messages.ts';
import { checkPrivateData } from './parameter-checks.ts';
import type { ConnectionParameters, ConnectionPeer } from './parameters.ts';
import type { LinkOwner, Pump } from './pump.ts';
import { toError } from './queue-pair-steps.ts';

/** How a connection ended. */
export interface ConnectionEnd {
  /**
   * Who ended it: this program, the peer, or nobody (`lost`: the peer did not answer the farewell, or the manager is gone;
   * `stale`: the peer connected the same queue pair anew).
   */
  readonly by: 'local' | 'peer' | 'lost' | 'stale';
  /** What the peer said at the end: up to 224 bytes with zeros behind, or none. */
  readonly privateData: Uint8Array;
}

export class Connection {
  readonly qp: QueuePair;
  readonly peer: ConnectionPeer;
  readonly parameters: ConnectionParameters;
  /** What the peer sent on connecting (56 bytes) or accepting (196 bytes), with zeros behind. */
  readonly privateData: Uint8Array;
  /** Resolves when the connection has ended; the queue pair is in ERR then. Does not keep the program alive. */
  readonly closed: Promise<ConnectionEnd>;
  readonly #pump: Pump;
  readonly #link: CmLink;
  #end: ConnectionEnd | undefined;
  #settle: (end: ConnectionEnd) => void = () => {};
  #isParting = false;

  /** For the manager, which made the link established. */
  constructor(
    pump: Pump,
    link: CmLink,
    qp: QueuePair,
    peer: ConnectionPeer,
    parameters: ConnectionParameters,
    privateData: Uint8Array,
    onEnd: (connection: Connection) => void,
  ) {
    this.#pump = pump;
    this.#link = link;
    this.qp = qp;
    this.peer = peer;
    this.parameters = parameters;
    this.privateData = privateData;
    this.closed = new Promise((resolve) => {
      this.#settle = (end) => {
        if (this.#end !== undefined) return;
        this.#end = end;
        toError(qp);
        onEnd(this);
        resolve(end);
      };
    });
    const owner: LinkOwner = {
      handle: (event: CmEvent) => {
        if (event.kind === 'ended') this.#settle({ by: event.by, privateData: event.privateData });
      },
      fail: () => this.#settle({ by: 'lost', privateData: new Uint8Array(0) }),
    };
    pump.own(link, owner);
  }

  /** Neither side has ended it. */
  get isOpen(): boolean {
    return this.#end === undefined && !this.#isParting;
  }

  /**
   * Waits for the end; keeps the program alive meanwhile.
   *
   * @throws VerbsError `ETIMEDOUT` it goes on. An aborted `signal` throws its reason.
   */
  async waitClosed(options: WaitOptions = {}): Promise<ConnectionEnd> {
    const late = () =>
      new VerbsError('ETIMEDOUT', 'waitClosed', `the connection goes on after ${options.timeoutMs} ms`, {
        object: this.describe(),
      });
    await this.#pump.until(() => this.#end !== undefined, options, late);
    return this.#end!;
  }

  /**
   * Ends the connection: the queue pair goes to ERR at once, so what is under way completes with WR_FLUSH_ERR; then the
   * peer is told. Resolves when it answered, or when it did not within 5 s. Calling again waits for the same end.
   *
   * @param options.privateData - up to 220 bytes for the peer
   * @throws VerbsError EINVAL private data too long
   */
  async disconnect(options: { readonly privateData?: Uint8Array } = {}): Promise<ConnectionEnd> {
    const { privateData = new Uint8Array(0) } = options;
    checkPrivateData('disconnect', privateData, PRIVATE_BYTES.DREQ);
    if (this.isOpen) {
      this.#isParting = true;
      toError(this.qp);
      this.#pump.engine.disconnect(this.#pump.now(), this.#link, privateData);
      this.#pump.kick();
    }
    return await this.waitClosed();
  }

  describe(): string {
    return `the connection of ${this.qp.describe()} with ${this.peer.address} port ${this.peer.port}`;
  }
}
