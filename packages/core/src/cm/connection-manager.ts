/**
 * Connects queue pairs: the connection manager of InfiniBand as RoCEv2 uses it, in the shape of librdmacm.
 *
 * It owns the GSI queue pair of one address entry, and works as long as it is open, also while nobody waits; only calls
 * that wait keep the program alive. What it does beside data: docs/connection-manager.md.
 */
import { formatAddress, parseAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { AccessRight } from '../verbs/access-rights.ts';
import type { Context } from '../verbs/context.ts';
import type { ProtectionDomain } from '../verbs/protection-domain.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import { CmEngine } from './cm-engine.ts';
import type { Connection } from './connection.ts';
import { ConnectionAttempt } from './connection-attempt.ts';
import { ConnectionRequest } from './connection-request.ts';
import { Endpoint } from './endpoint.ts';
import { GsiQueue } from './gsi-queue.ts';
import { IdSource } from './id-source.ts';
import { Listener, type ListenOptions } from './listener.ts';
import { parseIpRequest } from './messages.ts';
import { check } from './parameter-checks.ts';
import type { ConnectedType, ConnectOptions } from './parameters.ts';
import { Pump, type RequestEvent } from './pump.ts';
import { checkConnectable, defaultAccess, mtuCode, toInit } from './queue-pair-steps.ts';

export interface ConnectionManagerOptions {
  /** For the manager's own queue pair; connected queue pairs may be of any domain. Default: one of its own. */
  readonly pd?: ProtectionDomain;
  /** Address entry; its protocol must have GSI queue pairs. Default 0. */
  readonly sgidIndex?: number;
}

export class ConnectionManager implements AsyncDisposable {
  readonly context: Context;
  /** Address that peers connect to. */
  readonly address: string;
  readonly sgidIndex: number;
  readonly #endpoint: Endpoint;
  readonly #gsi: GsiQueue;
  readonly #ownPd: ProtectionDomain | undefined;
  readonly #listeners = new Map<number, Listener>();
  readonly #pump: Pump;

  /**
   * Takes over the GSI queue pair of an address entry.
   *
   * @throws VerbsError `EEXIST` another program, or another manager, has it · `EOPNOTSUPP` the protocol has no GSI queue
   *   pairs · `EINVAL` no such address entry · `ENOSPC` the device has no room for its objects
   */
  static open(context: Context, options: ConnectionManagerOptions = {}): ConnectionManager {
    const { sgidIndex = 0 } = options;
    const entry = entryOf(context, sgidIndex);
    const pd = options.pd ?? context.allocatePd();
    try {
      const gsi = new GsiQueue(context, pd, sgidIndex, entry.port);
      const endpoint = new Endpoint(context, entry, new IdSource(randomKey(pd)));
      return new ConnectionManager(endpoint, gsi, sgidIndex, options.pd === undefined ? pd : undefined);
    } catch (thrown) {
      if (options.pd === undefined) pd.close();
      throw thrown;
    }
  }

  private constructor(endpoint: Endpoint, gsi: GsiQueue, sgidIndex: number, ownPd: ProtectionDomain | undefined) {
    this.context = endpoint.context;
    this.address = endpoint.address;
    this.sgidIndex = sgidIndex;
    this.#endpoint = endpoint;
    this.#gsi = gsi;
    this.#ownPd = ownPd;
    const { address, pathMtu, guid } = endpoint;
    const engine = new CmEngine({ address, pathMtu, guid, random: () => endpoint.random() });
    this.#pump = new Pump(
      engine,
      gsi,
      (event) => this.#requested(event),
      (error) => this.#ended(error),
    );
    endpoint.start(this.#pump);
  }

  get isOpen(): boolean {
    return this.#pump.isOpen;
  }

  /**
   * Takes a queue pair from RESET to INIT, so that receives can be posted before it is connected.
   *
   * @param options.access - what the peer may do. Default: all that the device has
   * @throws VerbsError EINVAL it is in another state, or of another kind
   */
  prepare(qp: QueuePair, options: { readonly access?: readonly AccessRight[] } = {}): void {
    this.#check('prepare');
    checkConnectable('prepare', this.context, qp);
    const reads = this.context.attributes.maxQpRdAtomic;
    toInit(qp, this.#endpoint.port, options.access ?? defaultAccess(this.context, qp.type as ConnectedType, reads));
  }

  /** @throws VerbsError `EADDRINUSE` the port has a listener · `EINVAL` no such port, backlog out of range, closed */
  listen(options: ListenOptions): Listener {
    const { backlog = 128 } = options;
    this.#check('listen');
    check('listen', 'port', options.port, 0, 0xffff);
    check('listen', 'backlog', backlog, 1, 1024);
    let { port } = options;
    for (let tries = 0; port === 0 && tries < 1_000; tries++) {
      const chosen = this.#endpoint.randomPort();
      if (!this.#listeners.has(chosen)) port = chosen;
    }
    if (port === 0 || !this.#pump.engine.listen(port, backlog)) {
      throw new VerbsError('EADDRINUSE', 'listen', `port ${port} has a listener`, {
        object: `the connection manager of ${this.address}`,
        try: 'another port, or 0 for a free one',
      });
    }
    const listener = new Listener(this.#pump, port, () => this.#listeners.delete(port));
    this.#listeners.set(port, listener);
    return listener;
  }

  /**
   * Connects a queue pair to a service of a peer; resolves when it can send.
   *
   * @throws VerbsError `ECONNREFUSED` the peer refused ({@link ConnectionRejected}) · `ETIMEDOUT` no answer · `EINVAL` a
   *   wrong address, port, queue pair or parameter · `EBUSY` the queue pair is being connected · `ENOSPC` too many
   *   connections · `EIO` the device failed. An aborted `signal` throws its reason.
   */
  async connect(options: ConnectOptions): Promise<Connection> {
    this.#check('connect');
    return await new ConnectionAttempt(this.#endpoint, options).run();
  }

  /** What was counted so far, by name. */
  counters(): Record<string, number> {
    return { ...this.#pump.engine.counters(), dropped_stranger: this.#gsi.strangers };
  }

  /**
   * Ends all connections (in order, as far as peers answer in time), all listeners and requests, and gives the GSI queue
   * pair back.
   *
   * @param options.timeoutMs - how long peers get to answer. Default 1000
   */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = 1_000 } = options;
    if (!this.isOpen) return;
    for (const listener of [...this.#listeners.values()]) listener.close();
    const { connections } = this.#endpoint;
    // they report to the set by themselves
    for (const connection of [...connections]) void connection.disconnect();
    this.#pump.engine.abortAll(this.#pump.now());
    this.#pump.kick();
    const over = new VerbsError('EIO', 'ConnectionManager', 'the connection manager was closed');
    await this.#pump
      .until(
        () => connections.size === 0 || !this.isOpen,
        { timeoutMs },
        () => over,
      )
      .catch(() => {});
    this.#pump.end(over);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #requested({ link, request }: RequestEvent): void {
    const ip = parseIpRequest(request.privateData)!;
    this.#listeners.get(link.port)?.add(new ConnectionRequest(this.#endpoint, link, request, ip));
  }

  #ended(error: VerbsError): void {
    for (const listener of [...this.#listeners.values()]) listener.end(error);
    if (this.context.port.failure !== '') return;
    this.#gsi.close();
    if (this.#ownPd?.isOpen === true && this.context.isOpen) this.#ownPd.close();
  }

  #check(call: string): void {
    if (this.isOpen) return;
    throw new VerbsError('EINVAL', call, 'the connection manager is closed', {
      try: 'ConnectionManager.open(context)',
    });
  }
}

function entryOf(context: Context, sgidIndex: number) {
  for (let port = 1; port <= context.attributes.physicalPorts; port++) {
    const { gids, activeMtu } = context.queryPort(port);
    const entry = gids.find(({ index }) => index === sgidIndex);
    if (entry === undefined) continue;
    const gid = parseAddress(entry.gid)!;
    return { address: formatAddress(gid), gid, port, pathMtu: mtuCode(activeMtu) };
  }
  throw new VerbsError('EINVAL', 'ConnectionManager.open', `there is no address entry ${sgidIndex}`, {
    object: context.attributes.name,
    try: 'an index of `context.queryPort().gids`',
  });
}

/** Memory keys are the numbers of a device that nobody can guess; 32 bits of each are taken. */
function randomKey(pd: ProtectionDomain): Uint32Array {
  const bytes = pd.context.allocate(64);
  const key = new Uint32Array(8);
  try {
    for (let i = 0; i < key.length; i++) {
      const region = pd.registerMemory(bytes, { access: ['local-write', 'remote-write'] });
      key[i] = Number(region.rkey & 0xffff_ffffn);
      region.deregister();
    }
  } finally {
    pd.context.release(bytes);
  }
  return key;
}
