/**
 * One address of the tester: a UDP socket on the port where peers look for it, and another one to send from, since the
 * source port of a packet says nothing. What comes goes to the played contexts by the number that they were given.
 */
import { createSocket, type Socket } from 'node:dgram';
import { PdsType } from '@verbena/core/wire';
import { DEFAULT_PORT, type EndpointTarget } from '../target.ts';
import { Inbox } from './inbox.ts';
import type { PacketCoat } from './packet-coat.ts';
import { nackPacket } from './packets.ts';
import { decode, type Seen } from './seen.ts';

/** Who takes packets that name it. */
export interface Addressee {
  readonly inbox: Inbox<Seen>;
}

export class Lane {
  readonly address: string;
  readonly port: number;
  /** Packets that belong to no context: starts of the endpoint, idempotent requests, datagrams. */
  readonly loose = new Inbox<Seen>();
  /** By the PDCID of this end. */
  readonly contexts = new Map<number, Addressee>();
  /** By the PDCID of the endpoint: contexts that it opened. */
  readonly accepted = new Map<number, Addressee>();
  /** Everything that came, in order. */
  readonly log: Seen[] = [];
  readonly #socket: Socket;
  readonly #spare: Socket;
  readonly #endpoint: EndpointTarget;
  readonly #coat: PacketCoat | undefined;
  /** Datagrams that were not the endpoint's, or could not be opened. */
  strangers = 0;

  private constructor(socket: Socket, spare: Socket, endpoint: EndpointTarget, coat: PacketCoat | undefined) {
    this.#socket = socket;
    this.#spare = spare;
    this.#endpoint = endpoint;
    this.#coat = coat;
    const { address, port } = socket.address();
    this.address = address;
    this.port = port;
    socket.on('message', (bytes, from) => this.#receive(bytes, from.address, from.port));
    // what a closed endpoint's system says of its port is no answer
    for (const one of [socket, spare]) one.on('error', () => {});
  }

  /** @param port - where peers look for the tester; 0 where an endpoint answers to the port that a packet came from */
  static async open(
    address: string,
    port: number,
    endpoint: EndpointTarget,
    coat: PacketCoat | undefined,
  ): Promise<Lane> {
    const socket = await bound(address, port);
    try {
      return new Lane(socket, await bound(address, 0), endpoint, coat);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Sends a packet as it is, or in the coat that the endpoint wants. @param path - 1: from another port */
  send(bytes: Uint8Array, path = 0): void {
    const socket = path === 0 ? this.#socket : this.#spare;
    this.sendRaw(this.#coat === undefined ? bytes : this.#coat.put(bytes, this.#route(socket, true)), path);
  }

  /** Sends bytes without coat. */
  sendRaw(bytes: Uint8Array, path = 0): void {
    const { address, port = DEFAULT_PORT } = this.#endpoint;
    (path === 0 ? this.#socket : this.#spare).send(bytes, port, address);
  }

  close(): void {
    this.#socket.close();
    this.#spare.close();
  }

  /** The two ends of a packet, as text and ports. */
  #route(socket: Socket, out: boolean, from = 0): Route {
    const { address, port = DEFAULT_PORT } = this.#endpoint;
    const own = { address: this.address, port: socket.address().port };
    const other = { address, port: out ? port : from };
    return out ? { source: own, destination: other } : { source: other, destination: own };
  }

  #receive(datagram: Uint8Array, from: string, port: number): void {
    if (from !== this.#endpoint.address) return void this.strangers++;
    const bytes =
      this.#coat === undefined ? datagram : this.#coat.take(datagram, this.#route(this.#socket, false, port));
    if (bytes === undefined) return void this.strangers++;
    const seen = decode(bytes);
    this.log.push(seen);
    const named = this.contexts.get(seen.dpdcid);
    const isOwnStart = seen.syn && (seen.kind === 'request' || seen.kind === 'control');
    if (isOwnStart) return (this.accepted.get(seen.spdcid)?.inbox ?? this.loose).add(seen);
    if (named !== undefined) return named.inbox.add(seen);
    const isStale = seen.kind === 'request' || seen.kind === 'data' || (seen.kind === 'control' && seen.psn !== 0);
    // of an earlier case: to the endpoint this end was started again
    if (isStale && seen.dpdcid !== 0) {
      this.send(nackPacket({ nackCode: 0x0e, nackPsn: seen.psn, dpdcid: seen.spdcid }));
      return;
    }
    if (seen.type !== PdsType.ACK || seen.dpdcid === 0) this.loose.add(seen);
  }
}

export interface Route {
  readonly source: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
}

function bound(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BYTES });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, address, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

const RECEIVE_BYTES = 2 ** 20;
