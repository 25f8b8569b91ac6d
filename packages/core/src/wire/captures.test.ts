import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CapturedFrame, CaptureError, LinkType } from './capture.ts';
import { readCapture, readPcap } from './pcap.ts';
import { pcapngInterface, pcapngPacket, pcapngSection } from './pcapng.ts';
import { readPcapng } from './pcapng-reader.ts';

const FRAME = Uint8Array.of(0x45, 1, 2, 3, 4);

describe('pcapng', () => {
  it('reads what it has written', () => {
    const frames = [
      ...readCapture(
        join(
          pcapngSection({ application: 'verbena', comment: 'ü' }),
          pcapngInterface({ linkType: LinkType.RAW, name: 'uet0', description: 'first' }),
          pcapngInterface({ linkType: LinkType.ETHERNET, snapLength: 64 }),
          pcapngPacket({ timestampNs: 1, data: FRAME, direction: 'out', comment: 'dropped: é' }),
          pcapngPacket({
            timestampNs: 2n ** 63n,
            data: [FRAME, FRAME],
            interface: 1,
            originalLength: 99,
            direction: 'in',
          }),
          pcapngPacket({ timestampNs: 2 ** 53 - 1, data: new Uint8Array(0) }),
        ),
      ),
    ];
    expect(frames).toEqual([
      frame({ linkType: 101, timestampNs: 1n, data: FRAME, direction: 'out', comment: 'dropped: é' }),
      frame({
        linkType: 1,
        timestampNs: 2n ** 63n,
        data: join(FRAME, FRAME),
        interface: 1,
        originalLength: 99,
        direction: 'in',
      }),
      frame({ linkType: 101, timestampNs: 2n ** 53n - 1n, data: new Uint8Array(0) }),
    ]);
  });

  it('writes blocks of whole words with the length at both ends', () => {
    for (let length = 0; length < 9; length++) {
      const block = pcapngPacket({ timestampNs: 0, data: new Uint8Array(length).fill(7), comment: 'x'.repeat(length) });
      const view = new DataView(block.buffer);
      expect(block.length % 4).toBe(0);
      expect([view.getUint32(4, true), view.getUint32(block.length - 4, true)]).toEqual([block.length, block.length]);
    }
  });

  it.each([true, false])(
    'reads a foreign file, little-endian %s: microseconds, offset, simple packets, unknown blocks',
    (little) => {
      const file = join(
        block(little, 0x0a0d0d0a, [
          [4, 0x1a2b3c4d],
          [2, 1],
          [2, 0],
          [4, 0xffffffff],
          [4, 0xffffffff],
        ]),
        block(little, 1, [
          [2, 1],
          [2, 0],
          [4, 4],
          [2, 14],
          [2, 8],
          ...(little
            ? [
                [4, 10],
                [4, 0],
              ]
            : [
                [4, 0],
                [4, 10],
              ]),
        ]),
        block(little, 1, [
          [2, 101],
          [2, 0],
          [4, 0],
          [2, 9],
          [2, 1],
          [1, 0x83],
          [1, 0],
          [1, 0],
          [1, 0],
        ]),
        block(little, 0xbad, [
          [4, 1],
          [4, 2],
        ]),
        block(little, 6, [
          [4, 0],
          [4, 0],
          [4, 5],
          [4, 1],
          [4, 60],
          [1, 0x45],
          [1, 0],
          [1, 0],
          [1, 0],
        ]),
        block(little, 6, [
          [4, 1],
          [4, 0],
          [4, 12],
          [4, 0],
          [4, 0],
        ]),
        block(little, 3, [
          [4, 60],
          [1, 1],
          [1, 2],
          [1, 3],
          [1, 4],
        ]),
      );
      expect([...readCapture(file)]).toEqual([
        frame({ linkType: 1, timestampNs: 10_000_005_000n, data: Uint8Array.of(0x45), originalLength: 60 }),
        frame({ linkType: 101, timestampNs: 1_500_000_000n, data: new Uint8Array(0), interface: 1 }),
        { linkType: 1, data: Uint8Array.of(1, 2, 3, 4), originalLength: 60, interface: 0 },
      ]);
    },
  );

  it('reads sections of both byte orders in one file; interfaces end with their section', () => {
    const start = (little: boolean) =>
      block(little, 0x0a0d0d0a, [
        [4, 0x1a2b3c4d],
        [2, 1],
        [2, 0],
        [4, 0xffffffff],
        [4, 0xffffffff],
      ]);
    const file = join(
      ...[
        start(false),
        block(false, 1, [
          [2, 1],
          [2, 0],
          [4, 0],
        ]),
        block(false, 3, [[4, 0]]),
      ],
      ...[
        start(true),
        block(true, 1, [
          [2, 101],
          [2, 0],
          [4, 0],
        ]),
        block(true, 3, [[4, 0]]),
      ],
    );
    expect([...readPcapng(file)].map(({ linkType }) => linkType)).toEqual([1, 101]);
    expect(() => [...readPcapng(join(file, start(true), block(true, 3, [[4, 0]])))]).toThrow('without an interface');
  });

  it.each([
    ['a block that is cut off', (file: Uint8Array) => file.subarray(0, -1)],
    ['a block that claims too much', (file: Uint8Array) => patch(file, file.length - 48, 1000)],
    ['a block length that is no whole word', (file: Uint8Array) => patch(file, file.length - 48, 41)],
    ['a block length of nothing', (file: Uint8Array) => patch(file, file.length - 48, 0)],
    ['two different lengths', (file: Uint8Array) => patch(file, file.length - 4, 40)],
    ['an interface that was not described', (file: Uint8Array) => patch(file, file.length - 44, 7)],
    ['a packet larger than its block', (file: Uint8Array) => patch(file, file.length - 32, 200)],
    ['an unknown byte order', (file: Uint8Array) => patch(file, 8, 0)],
    ['an unknown version', (file: Uint8Array) => patch(file, 12, 2)],
  ])('reports %s with its place', (_what, damage) => {
    const packet = pcapngPacket({ timestampNs: 1, data: FRAME, direction: 'in' });
    const file = join(pcapngSection(), pcapngInterface({ linkType: 101 }), packet);
    expect(packet.length).toBe(52);
    const damaged = damage(file);
    try {
      const frames = [...readPcapng(damaged)];
      expect(frames).toBe('an error');
    } catch (error) {
      expect(error).toBeInstanceOf(CaptureError);
      expect((error as CaptureError).code).toBe('CAPTURE_MALFORMED');
      expect((error as CaptureError).offset).toBeLessThan(damaged.length);
    }
  });

  it('yields the frames before the damage', () => {
    const packet = pcapngPacket({ timestampNs: 1, data: FRAME });
    const file = join(pcapngSection(), pcapngInterface({ linkType: 101 }), packet, packet.subarray(0, 20));
    const seen: CapturedFrame[] = [];
    expect(() => {
      for (const one of readPcapng(file)) seen.push(one);
    }).toThrow(CaptureError);
    expect(seen.length).toBe(1);
  });
});

describe('pcap', () => {
  it.each([
    ['microseconds, little-endian', true, 0xa1b2c3d4, 3_000_000_000n + 5_000n],
    ['microseconds, big-endian', false, 0xa1b2c3d4, 3_000_000_000n + 5_000n],
    ['nanoseconds, little-endian', true, 0xa1b23c4d, 3_000_000_005n],
    ['nanoseconds, big-endian', false, 0xa1b23c4d, 3_000_000_005n],
  ])('reads %s', (_what, little, magic, timestampNs) => {
    const file = join(
      pcapHeader(little, magic),
      words(little, [
        [4, 3],
        [4, 5],
        [4, 5],
        [4, 99],
      ]),
      FRAME,
    );
    expect([...readCapture(file)]).toEqual([frame({ linkType: 101, timestampNs, data: FRAME, originalLength: 99 })]);
  });

  it('reports damage with its place', () => {
    const whole = join(
      pcapHeader(true, 0xa1b2c3d4),
      words(true, [
        [4, 3],
        [4, 5],
        [4, 5],
        [4, 99],
      ]),
      FRAME,
    );
    expect([...readPcap(whole.subarray(0, 24))]).toEqual([]);
    for (let length = 0; length < whole.length; length++) {
      if (length === 24) continue;
      expect(() => [...readPcap(whole.subarray(0, length))]).toThrow(CaptureError);
    }
    expect(() => [...readCapture(new Uint8Array(24))]).toThrow('neither pcap nor pcapng');
  });
});

describe('capture readers on hostile files', () => {
  const whole = join(
    ...[pcapngSection({ comment: 'c' }), pcapngInterface({ linkType: 1, name: 'n' })],
    ...[pcapngPacket({ timestampNs: 1, data: FRAME, comment: 'c' }), pcapHeader(true, 0xa1b2c3d4)],
  );

  it('fail with a CaptureError or not at all', () => {
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(edits, fc.nat(whole.length), (changes, length) => {
        const file = whole.slice(0, length);
        for (const [at, value] of changes) if (at < length) file[at] = value;
        try {
          for (const { data } of readCapture(file)) expect(data.length).toBeLessThanOrEqual(file.length);
        } catch (error) {
          expect(error).toBeInstanceOf(CaptureError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function frame(about: Partial<CapturedFrame> & { data: Uint8Array }): CapturedFrame {
  return { originalLength: about.data.length, linkType: 101, interface: 0, ...about };
}

function pcapHeader(little: boolean, magic: number): Uint8Array {
  return words(little, [
    [4, magic],
    [2, 2],
    [2, 4],
    [4, 0],
    [4, 0],
    [4, 65535],
    [4, 101],
  ]);
}

/** A pcapng block with a body of words given as [bytes, value]. */
function block(little: boolean, type: number, body: readonly (readonly number[])[]): Uint8Array {
  const inside = words(little, body);
  const padding = new Uint8Array((4 - (inside.length & 3)) & 3);
  const total = 12 + inside.length + padding.length;
  return join(
    words(little, [
      [4, type],
      [4, total],
    ]),
    inside,
    padding,
    words(little, [[4, total]]),
  );
}

function words(little: boolean, list: readonly (readonly number[])[]): Uint8Array {
  return join(
    ...list.map(([size, value]) => {
      const view = new DataView(new ArrayBuffer(size!));
      if (size === 1) view.setUint8(0, value!);
      else if (size === 2) view.setUint16(0, value!, little);
      else view.setUint32(0, value!, little);
      return new Uint8Array(view.buffer);
    }),
  );
}

function patch(file: Uint8Array, at: number, value: number): Uint8Array {
  const damaged = file.slice();
  new DataView(damaged.buffer).setUint32(at, value, true);
  return damaged;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
