/** What the parts of one connection manager share. */
import { VerbsError } from '../base/verbs-error.ts';
import type { Context } from '../verbs/context.ts';
import type { QueuePair } from '../verbs/queue-pair.ts';
import type { CmLink } from './cm-link.ts';
import { Connection } from './connection.ts';
import type { IdSource } from './id-source.ts';
import type { ConnectionParameters, ConnectionPeer } from './parameters.ts';
import type { Pump } from './pump.ts';

export class Endpoint {
  readonly context: Context;
  /** Address as text, and as 16 bytes. */
  readonly address: string;
  readonly gid: Uint8Array;
  /** Number of the device's port. */
  readonly port: number;
  /** Largest payload of a packet: code 1 to 5. */
  readonly pathMtu: number;
  readonly guid: bigint;
  readonly connections = new Set<Connection>();
  readonly #ids: IdSource;
  /** Queue pairs that are being connected or are connected. */
  readonly #claimed = new Set<QueuePair>();
  #pump: Pump | undefined;

  constructor(
    context: Context,
    entry: { readonly address: string; readonly gid: Uint8Array; readonly port: number; readonly pathMtu: number },
    ids: IdSource,
  ) {
    this.context = context;
    this.address = entry.address;
    this.gid = entry.gid;
    this.port = entry.port;
    this.pathMtu = entry.pathMtu;
    this.guid = BigInt(`0x${context.attributes.nodeGuid.replaceAll(':', '') || '0'}`);
    this.#ids = ids;
  }

  get pump(): Pump {
    return this.#pump!;
  }

  /** Once, when it works. */
  start(pump: Pump): void {
    this.#pump = pump;
  }

  /** 32 bits. */
  random(): number {
    return this.#ids.uint32();
  }

  /** 24 bits. */
  randomPsn(): number {
    return this.#ids.uint32() & 0xff_ffff;
  }

  /** In the range for ports that programs do not choose. */
  randomPort(): number {
    return 0xc000 + (this.#ids.uint32() & 0x3fff);
  }

  /** @throws VerbsError EBUSY the queue pair is being connected */
  claim(call: string, qp: QueuePair): void {
    if (this.#claimed.has(qp)) {
      throw new VerbsError('EBUSY', call, 'the queue pair is being connected', {
        object: qp.describe(),
        try: 'a queue pair of its own for each connection',
      });
    }
    this.#claimed.add(qp);
  }

  release(qp: QueuePair): void {
    this.#claimed.delete(qp);
  }

  connected(
    link: CmLink,
    qp: QueuePair,
    peer: ConnectionPeer,
    parameters: ConnectionParameters,
    privateData: Uint8Array,
  ): Connection {
    const connection = new Connection(this.pump, link, qp, peer, parameters, privateData, (ended) => {
      this.connections.delete(ended);
      this.release(qp);
    });
    this.connections.add(connection);
    return connection;
  }
}
