/** One live device with queues and memory that the tester knows of. */

import type { CompletionQueue, Context, Job, JobKey, MemoryRegion, ProtectionDomain, QueuePair } from '@verbena/core';
import { findTransport } from '@verbena/core';
import { DomainStore, type LiveDeviceHandle, openDevice } from '@verbena/node';
import type { EndpointTarget, QueueTarget, SecurityTarget } from '../target.ts';
import { fill } from '../tester/packets.ts';
import { JOB, KEY, NEXT_KEY, OTHER_JOB, PAYLOAD_MTU, SDI, type Variant } from './variants.ts';

export class Endpoint {
  readonly device: LiveDeviceHandle;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  /** Of the queues with absolute addressing: a protection domain has one process number. */
  readonly absolutePd: ProtectionDomain;
  readonly jobKey: JobKey;
  readonly variant: Variant;
  readonly #otherJob: Job;
  readonly #regions = new Map<string, MemoryRegion>();
  #sink: QueuePair | undefined;
  readonly #store: DomainStore | undefined;

  private constructor(device: LiveDeviceHandle, variant: Variant, store: DomainStore | undefined) {
    this.device = device;
    this.#store = store;
    this.variant = variant;
    this.context = device.open();
    this.pd = this.context.allocatePd();
    this.absolutePd = this.context.allocatePd();
    this.jobKey = this.pd.createJobKey(this.context.createJob({ id: JOB }));
    this.#otherJob = this.context.createJob({ id: OTHER_JOB });
    device.ref();
  }

  static async open(net: string, name: string, variant: Variant): Promise<Endpoint> {
    const { settings = {}, security, isIpv6 = false } = variant;
    const store = security === undefined ? undefined : storeOf(security);
    const device = await openDevice({
      address: isIpv6 ? '::1' : `${net}.${variant.host}`,
      ...(isIpv6 ? { port: IPV6_PORT + (process.pid % 1000) } : {}),
      name: `${name}%d`,
      payloadMtu: PAYLOAD_MTU,
      settings: Object.fromEntries(Object.entries(settings).filter(([setting]) => SETTINGS.has(setting))),
      seed: 1,
      ...(store === undefined ? {} : { security: { domains: store, domain: SDI } }),
    });
    try {
      return new Endpoint(device, variant, store);
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  /** Makes what the target file describes. */
  furnish(): EndpointTarget {
    const { security, crc = false } = this.variant;
    const { text, port } = this.device.local;
    const sends = this.#cq();
    const receives = this.#cq();
    const common = { sendCq: sends, recvCq: receives } as const;
    const { jobKey } = this;
    this.#sink = this.pd.createQueuePair({
      type: 'RU',
      ...common,
      jobKey,
      qpn: qpnOf(1, 1),
      receiveDepth: SINK_RECEIVES,
    });
    this.pd.createQueuePair({ type: 'RU', ...common, jobKey, qpn: qpnOf(1, 2) });
    const stranger = this.context.allocatePd();
    const strangerKey = stranger.createJobKey(this.#otherJob);
    stranger.createQueuePair({ type: 'RU', ...common, jobKey: strangerKey, qpn: qpnOf(9, 1) });
    this.absolutePd.createQueuePair({ type: 'RU', ...common, qpn: qpnOf(2, 1, false) });
    const inbox = this.#region('inbox', SINK_RECEIVES * SINK_BYTES, ['local-write'], '');
    for (let i = 0; i < SINK_RECEIVES; i++) this.#postSink(inbox, i);
    void this.#refill(receives, inbox);
    this.#region('open', OPEN_BYTES, ['local-write', 'remote-write', 'remote-read'], '0x1001');
    this.#region('writeOnly', 4096, ['local-write', 'remote-write'], '0x1002');
    this.#region('readOnly', 4096, ['remote-read'], '0x1003');
    const both = ['local-write', 'remote-write', 'remote-read'];
    this.#region('foreign', 4096, both, '0x1004', this.pd.createJobKey(this.#otherJob));
    this.#region('absolute', 4096, both, '0x1005', undefined, this.absolutePd);
    this.#region(
      'absoluteForeign',
      4096,
      both,
      '0x1006',
      this.absolutePd.createJobKey(this.#otherJob),
      this.absolutePd,
    );
    const { attributes } = findTransport('uet')!;
    if (attributes.operations.includes('fetching-atomic' as never))
      this.#region('atomic', 2 ** 16, [...both, 'remote-atomic'], '0x1007');
    if (attributes.idempotentKeys === true) {
      const access = ['local-write', 'remote-write', 'remote-read'] as const;
      this.#regions.set('safe', this.#regions.get('open')!.derive({ access, idempotent: true, key: 0x1001n }));
    }
    if ((attributes as { indexKeys?: boolean }).indexKeys === true)
      this.#region('indexed', 4096, both, '0x4000000000000005');
    const queue = (pid: number, ri: number, relative = true, job = JOB): QueueTarget => ({ pid, ri, job, relative });
    return {
      ...{ address: text, port, payloadMtu: PAYLOAD_MTU, job: JOB, operations: this.#operations(), crc },
      queues: {
        sink: { ...queue(1, 1), receiveBytes: SINK_BYTES },
        dry: queue(1, 2),
        absolute: queue(2, 1, false),
        stranger: queue(9, 1, true, OTHER_JOB),
      },
      regions: Object.fromEntries(
        [...this.#regions]
          .filter(([name]) => name !== 'inbox')
          .map(([name, { rkey, length }]) => [name, { key: `0x${rkey.toString(16)}`, bytes: length }]),
      ),
      ...(security === undefined ? {} : { security: securityOf(security) }),
    };
  }

  /** Packets are sent under the key in that slot from now on. */
  activate(an: number): void {
    this.#store?.activate(SDI, an);
  }

  async close(): Promise<void> {
    await this.device.close();
  }

  /** What the device says that it does, in the words of target files. */
  #operations(): string[] {
    const { attributes } = findTransport('uet')!;
    const said: readonly string[] = attributes.operations;
    const words: string[] = [...said, 'ordered', 'datagram', 'idempotent'];
    if (said.includes('fetching-atomic')) words.push('atomics');
    if (attributes.idempotentKeys === true) words.push('idempotentKeys');
    for (const [setting, word] of Object.entries(OPTIONAL)) if (SETTINGS.has(setting)) words.push(word);
    return [...new Set(words)];
  }

  #cq(): CompletionQueue {
    return this.context.createCompletionQueue({ entries: 1024 });
  }

  #region(
    name: string,
    bytes: number,
    access: readonly string[],
    key: string,
    jobKey?: JobKey,
    pd = this.pd,
  ): MemoryRegion {
    const memory = this.context.allocate(bytes);
    memory.set(fill(Math.min(bytes, OPEN_BYTES)));
    const region = pd.registerMemory(memory, {
      access: access as never,
      ...(key === '' ? {} : { key: BigInt(key) }),
      ...(jobKey === undefined ? {} : { jobKey }),
    });
    this.#regions.set(name, region);
    return region;
  }

  #postSink(inbox: MemoryRegion, i: number): void {
    this.#sink!.postReceive({ id: i, region: inbox, offset: i * SINK_BYTES, length: SINK_BYTES });
  }

  /** Whatever comes to the sink, its receive is posted again. */
  async #refill(cq: CompletionQueue, inbox: MemoryRegion): Promise<void> {
    try {
      for await (const done of cq) {
        if (done.opcode === 'recv' && done.qpn === this.#sink!.qpn) this.#postSink(inbox, Number(done.id));
      }
    } catch {
      // the device is closed
    }
  }
}

/** Number of a queue pair: process, resource index, addressing. */
export const qpnOf = (pid: number, ri: number, relative = true): number =>
  pid + ri * 0x1000 + (relative ? 0 : 0x8000_0000);

function storeOf(mode: 'direct' | 'cluster' | 'server'): DomainStore {
  const store = new DomainStore();
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
  store.add(SDI, { mode }, { bytes: bytes(KEY), an: 0, epoch: EPOCH });
  store.install(SDI, { bytes: bytes(NEXT_KEY), an: 1, epoch: 0 });
  return store;
}

const securityOf = (mode: 'direct' | 'cluster' | 'server'): SecurityTarget => ({
  ...{ sdi: SDI, mode, key: KEY, nextKey: NEXT_KEY, an: 0, epoch: EPOCH },
});

/** Settings that this engine knows. */
const SETTINGS: ReadonlySet<string> = new Set(
  (findTransport('uet')?.attributes.settings ?? []).map(({ name }) => name),
);
/** What an engine with a setting can do. */
const OPTIONAL = { deferAbove: 'deferrable', rendezvousAbove: 'rendezvous', shortHeaders: 'shortHeaders' } as const;
const SINK_RECEIVES = 64;
const SINK_BYTES = 8192;
const OPEN_BYTES = 2 ** 18;
const IPV6_PORT = 20_000;
const EPOCH = 20;
