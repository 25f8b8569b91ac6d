/** For tests: a socket with nothing around it, which sends any bytes with any traffic class, and sees that of what comes. */
import { parseAddress } from '@verbena/core/wire';
import { LINUX, type Libc } from '../memory/libc.ts';
import type { MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';
import { SOCKET_FLAGS, setOption, writeSocketAddress } from './udp-socket.ts';

export interface Arrived {
  readonly bytes: Uint8Array;
  readonly trafficClass: number;
}

export class BareSocket {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #memory: MappedMemory;
  readonly #view: DataView;
  readonly #v4: boolean;

  /** @param ipProtocol - directly over IP; undefined: UDP */
  constructor(libc: Libc, pool: MemoryPool, address: string, port: number, ipProtocol?: number) {
    this.#libc = libc;
    this.#memory = pool.allocate(2 * 65_536);
    this.#view = new DataView(this.#memory.bytes.buffer);
    this.#v4 = !address.includes(':');
    const kind = ipProtocol === undefined ? LINUX.SOCK_DGRAM : LINUX.SOCK_RAW;
    this.#fd = libc.socket(this.#v4 ? LINUX.AF_INET : LINUX.AF_INET6, kind | SOCKET_FLAGS, ipProtocol ?? 0);
    if (this.#fd < 0) throw new Error(`no socket: errno ${libc.errno()}`);
    const length = writeSocketAddress(this.#memory.bytes, 0, parseAddress(address)!, port);
    if (libc.bind(this.#fd, this.#memory.address, length) !== 0) throw new Error(`not bound: errno ${libc.errno()}`);
    if (this.#v4) setOption(libc, this.#memory, this.#fd, LINUX.SOL_IP, LINUX.IP_RECVTOS, 1);
    else setOption(libc, this.#memory, this.#fd, LINUX.SOL_IPV6, LINUX.IPV6_RECVTCLASS, 1);
  }

  send(bytes: Uint8Array, to: string, port: number, trafficClass = 0): void {
    const [level, option] = this.#v4 ? [LINUX.SOL_IP, LINUX.IP_TOS] : [LINUX.SOL_IPV6, LINUX.IPV6_TCLASS];
    setOption(this.#libc, this.#memory, this.#fd, level, option, trafficClass);
    this.#memory.bytes.set(bytes, DATA_AT);
    const nameLength = writeSocketAddress(this.#memory.bytes, NAME_AT, parseAddress(to)!, port);
    this.#header(nameLength, bytes.length, 0);
    if (this.#libc.sendmsg(this.#fd, this.#memory.address + HEADER_AT, 0) < 0)
      throw new Error(`not sent: errno ${this.#libc.errno()}`);
  }

  /** What waits; undefined for nothing. */
  receive(): Arrived | undefined {
    this.#header(32, 65_536, CONTROL_BYTES);
    const length = this.#libc.recvmsg(this.#fd, this.#memory.address + HEADER_AT, LINUX.MSG_DONTWAIT);
    if (length < 0) return undefined;
    const bytes = this.#memory.bytes.slice(DATA_AT, DATA_AT + length);
    return { bytes, trafficClass: this.#view.getUint8(CONTROL_AT + 16) };
  }

  close(): void {
    this.#libc.close(this.#fd);
    this.#memory.release();
  }

  #header(nameLength: number, dataLength: number, controlLength: number): void {
    const view = this.#view;
    const { address } = this.#memory;
    const pointer = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
    this.#memory.bytes.fill(0, CONTROL_AT, CONTROL_AT + CONTROL_BYTES);
    pointer(HEADER_AT, address + NAME_AT);
    pointer(HEADER_AT + 8, nameLength);
    pointer(HEADER_AT + 16, address + IOV_AT);
    pointer(HEADER_AT + 24, 1);
    pointer(HEADER_AT + 32, controlLength === 0 ? 0 : address + CONTROL_AT);
    pointer(HEADER_AT + 40, controlLength);
    pointer(HEADER_AT + 48, 0);
    pointer(IOV_AT, address + DATA_AT);
    pointer(IOV_AT + 8, dataLength);
  }
}

const NAME_AT = 256;
const HEADER_AT = 512;
const IOV_AT = 640;
const CONTROL_AT = 768;
const CONTROL_BYTES = 128;
const DATA_AT = 4096;
