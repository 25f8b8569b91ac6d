/** Mapped memory that the system calls of a local socket use: message headers, descriptors, one frame each way. */
import { LINUX, type Libc, type Pointer } from '../memory/libc.ts';
import { type MappedMemory, MemoryPool } from '../memory/mapped-memory.ts';

/**
 * One is enough for all connections that a thread serves: it is used within a call, and what was received stays
 * until the next receive.
 */
export class FrameMemory {
  readonly sendHeader: Pointer;
  readonly receiveHeader: Pointer;
  /** Where the frame that was received last is. */
  readonly received: Uint8Array;
  /** One word for an option, and what `poll` waits for. */
  readonly scratch: Pointer;
  readonly #memory: MappedMemory;
  readonly #view: DataView;
  #holders = 1;

  constructor(libc: Libc) {
    this.#memory = new MemoryPool(libc).allocate(TOTAL_BYTES);
    const { bytes, address } = this.#memory;
    this.#view = new DataView(bytes.buffer);
    this.sendHeader = [address + SEND_AT, null];
    this.receiveHeader = [address + RECEIVE_AT, null];
    this.scratch = [address + SCRATCH_AT, null];
    this.received = bytes.subarray(RECEIVED_AT, RECEIVED_AT + MAX_FRAME_BYTES);
    this.#point(SEND_AT, address + SENT_AT);
    this.#point(RECEIVE_AT, address + RECEIVED_AT);
    this.#view.setUint32(SEND_AT + CONTROL_AT + 8, LINUX.SOL_SOCKET, true);
    this.#view.setUint32(SEND_AT + CONTROL_AT + 12, LINUX.SCM_RIGHTS, true);
  }

  /** Copies a frame and its descriptors to where {@link sendHeader} says; both within their limits. */
  prepareSend(frame: Uint8Array, fds: readonly number[]): void {
    const view = this.#view;
    this.#memory.bytes.set(frame, SENT_AT);
    setPointer(view, SEND_AT + IOV_LENGTH, frame.length);
    const used = fds.length === 0 ? 0 : CONTROL_HEADER + 4 * fds.length;
    setPointer(view, SEND_AT + CONTROL_LENGTH, used);
    setPointer(view, SEND_AT + CONTROL_AT, used);
    for (let i = 0; i < fds.length; i++) view.setInt32(SEND_AT + CONTROL_AT + CONTROL_HEADER + 4 * i, fds[i]!, true);
  }

  /** Makes {@link receiveHeader} offer the whole room again. */
  prepareReceive(): void {
    setPointer(this.#view, RECEIVE_AT + IOV_LENGTH, MAX_FRAME_BYTES);
    // No room to spare: the system closes what does not fit, and says so.
    setPointer(this.#view, RECEIVE_AT + CONTROL_LENGTH, CONTROL_HEADER + 4 * MAX_FDS);
    this.#view.setUint32(RECEIVE_AT + FLAGS, 0, true);
  }

  get receivedFlags(): number {
    return this.#view.getUint32(RECEIVE_AT + FLAGS, true);
  }

  /** The descriptors of the message that was received last; this process has them now. */
  receivedFds(): number[] {
    const view = this.#view;
    const control = RECEIVE_AT + CONTROL_AT;
    if (view.getUint32(RECEIVE_AT + CONTROL_LENGTH, true) < CONTROL_HEADER + 4) return [];
    if (view.getUint32(control + 8, true) !== LINUX.SOL_SOCKET) return [];
    if (view.getUint32(control + 12, true) !== LINUX.SCM_RIGHTS) return [];
    const count = Math.min(MAX_FDS, (view.getUint32(control, true) - CONTROL_HEADER) >> 2);
    return Array.from({ length: count }, (_, i) => view.getInt32(control + CONTROL_HEADER + 4 * i, true));
  }

  /** Writes a number where {@link scratch} points to, plus `at` bytes. */
  setScratch(at: number, value: number): void {
    this.#view.setInt32(SCRATCH_AT + at, value, true);
  }

  getScratch(at: number): number {
    return this.#view.getInt32(SCRATCH_AT + at, true);
  }

  /** Writes `sockaddr_un` to {@link scratch}. @returns its length */
  setPath(path: Uint8Array): number {
    const { bytes } = this.#memory;
    bytes.fill(0, SCRATCH_AT, SCRATCH_AT + SOCKET_PATH_BYTES + 2);
    this.#view.setUint16(SCRATCH_AT, LINUX.AF_UNIX, true);
    bytes.set(path, SCRATCH_AT + 2);
    return path.length + 3; // with the zero that ends it
  }

  /** One more user, who calls {@link release} in the end. */
  retain(): this {
    this.#holders++;
    return this;
  }

  /** The last user gives the memory back. */
  release(): void {
    if (--this.#holders === 0) this.#memory.release();
  }

  /** `struct msghdr` with one segment and room for descriptors behind it. */
  #point(header: number, frame: number): void {
    const { address } = this.#memory;
    const view = this.#view;
    setPointer(view, header + 16, address + header + IOV_AT);
    setPointer(view, header + 24, 1);
    setPointer(view, header + 32, address + header + CONTROL_AT);
    setPointer(view, header + IOV_AT, frame);
  }
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** Longest message. */
export const MAX_FRAME_BYTES = 65_536;
/** Most descriptors with one message. */
export const MAX_FDS = 4;
/** Longest path of a local socket in bytes, with the zero that ends it. */
export const SOCKET_PATH_BYTES = 108;

const CONTROL_LENGTH = 40;
const FLAGS = 48;
const IOV_AT = 64;
const IOV_LENGTH = IOV_AT + 8;
const CONTROL_AT = 96;
const CONTROL_HEADER = 16;

const SEND_AT = 0;
const RECEIVE_AT = 256;
const SCRATCH_AT = 512;
const SENT_AT = 4096;
const RECEIVED_AT = SENT_AT + MAX_FRAME_BYTES;
const TOTAL_BYTES = RECEIVED_AT + MAX_FRAME_BYTES;
