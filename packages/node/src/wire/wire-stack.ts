/** The wire of one device: the live one, and what was asked to stand in front of it. */
import type { CaptureSink, DmaSpace, WireHost } from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import type { MemoryPool } from '../memory/mapped-memory.ts';
import { CaptureFile } from './capture-file.ts';
import { CaptureWire } from './capture-wire.ts';
import { type Faults, FaultWire } from './fault-wire.ts';
import type { LiveWire, WireOptions } from './live-wire.ts';
import { type IoChoice, openWire, openWireNow } from './open-wire.ts';

export interface WireStackOptions extends WireOptions {
  readonly device: string;
  readonly io: IoChoice;
  readonly faults?: Faults | undefined;
  /** File to capture into. */
  readonly capture?: string | undefined;
  readonly captureLimitBytes?: number | undefined;
}

export class WireStack {
  readonly live: LiveWire;
  /** Made when somebody wants to see what passes. */
  #capture: CaptureWire | undefined;
  readonly #makeCapture: () => CaptureWire;
  readonly #file: CaptureFile | undefined;
  readonly #faults: FaultWire | undefined;

  static async open(
    libc: Libc | undefined,
    pool: MemoryPool,
    dma: DmaSpace,
    options: WireStackOptions,
  ): Promise<WireStack> {
    return WireStack.#over(await openWire(libc, pool, dma, options, options.io), dma, options);
  }

  /** As {@link open}, at once; not for I/O level `dgram`. */
  static openNow(libc: Libc | undefined, pool: MemoryPool, dma: DmaSpace, options: WireStackOptions): WireStack {
    return WireStack.#over(openWireNow(libc, pool, dma, options, options.io), dma, options);
  }

  static #over(live: LiveWire, dma: DmaSpace, options: WireStackOptions): WireStack {
    try {
      return new WireStack(live, dma, options);
    } catch (error) {
      live.close();
      throw error;
    }
  }

  private constructor(live: LiveWire, dma: DmaSpace, options: WireStackOptions) {
    this.live = live;
    const { device, capture, captureLimitBytes, faults, seal, ipProtocol, classes } = options;
    // directly over IP, answers carry the value of what they answer
    const sourcePort = (entropy: number) =>
      ipProtocol === undefined ? live.ports[entropy % live.ports.length]! : entropy;
    const place = { local: live.local, seal, sourcePort, ipProtocol, classes };
    this.#makeCapture = () => new CaptureWire(live, dma, place);
    if (capture !== undefined) {
      this.#file = new CaptureFile({ file: capture, device, limitBytes: captureLimitBytes });
      this.#capture = this.#makeCapture();
      this.#capture.add(this.#file);
    }
    if (faults !== undefined) this.#faults = new FaultWire(this.#bottom, dma, faults, seal);
  }

  /** What an engine is given: faults before capture before the socket, so a capture shows what really left. */
  get top(): WireHost {
    return this.#faults ?? this.#bottom;
  }

  /**
   * Shows a sink each frame from now on, without a header.
   *
   * @returns what ends that. After either, {@link top} may be another wire.
   */
  tap(sink: CaptureSink): () => void {
    this.#capture ??= this.#makeCapture();
    const capture = this.#capture;
    capture.add(sink);
    this.#faults?.replaceInner(this.#bottom);
    return () => {
      capture.remove(sink);
      this.#faults?.replaceInner(this.#bottom);
    };
  }

  /** All counts of the wire, named like a device's: `wire_sent_datagrams`. */
  counters(): Record<string, number> {
    const file = this.#file;
    const counts = {
      ...this.live.counters(),
      ...this.#faults?.counts,
      ...(file === undefined ? {} : { capturedPackets: file.frames, notCapturedPackets: file.skipped }),
    };
    return Object.fromEntries(Object.entries(counts).map(([name, count]) => [snake(name), count]));
  }

  close(): void {
    this.#faults?.close();
    this.#file?.close();
    this.live.close();
  }

  get #bottom(): WireHost {
    return this.#capture?.used === true ? this.#capture : this.live;
  }
}

const snake = (name: string): string => `wire_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
