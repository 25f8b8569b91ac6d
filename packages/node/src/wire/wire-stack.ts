/** The wire of one device: the live one, and what was asked to stand in front of it. */
import type { DmaSpace, WireHost } from '@verbena/core';
import type { Libc } from '../memory/libc.ts';
import type { MemoryPool } from '../memory/mapped-memory.ts';
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
  /** What an engine is given: faults before capture before the socket, so a capture shows what really left. */
  readonly top: WireHost;
  readonly #capture: CaptureWire | undefined;
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
    let top: WireHost = live;
    if (options.capture !== undefined) {
      this.#capture = new CaptureWire(top, dma, {
        file: options.capture,
        device: options.device,
        local: live.local,
        seal: options.seal,
        sourcePort: (entropy) => live.ports[entropy % live.ports.length]!,
        ...(options.captureLimitBytes === undefined ? {} : { limitBytes: options.captureLimitBytes }),
      });
      top = this.#capture;
    }
    if (options.faults !== undefined) top = this.#faults = new FaultWire(top, dma, options.faults, options.seal);
    this.top = top;
  }

  /** All counts of the wire, named like a device's: `wire_sent_datagrams`. */
  counters(): Record<string, number> {
    const capture = this.#capture;
    const counts = {
      ...this.live.counters(),
      ...this.#faults?.counts,
      ...(capture === undefined ? {} : { capturedPackets: capture.frames, notCapturedPackets: capture.skipped }),
    };
    return Object.fromEntries(Object.entries(counts).map(([name, count]) => [snake(name), count]));
  }

  close(): void {
    this.#faults?.close();
    this.#capture?.close();
    this.live.close();
  }
}

const snake = (name: string): string => `wire_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
