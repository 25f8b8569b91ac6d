import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DmaSpace, type Engine, NEVER, Packet, type WireHost } from '@verbena/core';
import { dissectFrame, parseAddress, readPcapng } from '@verbena/core/wire';
import { afterAll, describe, expect, test } from 'vitest';
import { CaptureFile } from './capture-file.ts';
import { CaptureWire } from './capture-wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'verbena-capture-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('capture wire', () => {
  test.each([
    ['10.0.0.1', '10.0.0.2'],
    ['fd00::1', 'fd00::2'],
  ])('both directions are whole IP packets with right checksums (%s)', (own, other) => {
    const file = join(folder, 'both.pcapng');
    const { wire, dma, written } = capture(file, own, other);
    const region = dma.attach({ bytes: Buffer.from('the payload'), address: 0 });
    const slot = wire.slot()!;
    slot.bytes.set(Buffer.from('head '), slot.at);
    slot.length = 5;
    slot.path = 1;
    slot.entropy = 3;
    slot.ecn = 2;
    slot.gather(region, 4, 7);
    wire.send(0);
    let seen = 0;
    expect(wire.receive(0, { receive: () => seen++ } as unknown as Engine)).toBe(1);
    expect(seen).toBe(1);
    written.close();
    written.close();

    const frames = [...readPcapng(readFileSync(file))];
    expect(frames.map((frame) => frame.direction)).toEqual(['out', 'in']);
    const texts = frames.map((frame) => Buffer.from(frame.data).toString('latin1'));
    expect(texts[0]).toMatch(/head payload$/);
    expect(texts[1]).toMatch(/arrived$/);
    const headers = own.includes(':') ? 48 : 28;
    expect(frames.map((frame) => frame.data.length)).toEqual([headers + 12, headers + 7]);
    const now = BigInt(Date.now()) * 1_000_000n;
    for (const frame of frames) {
      expect(now - frame.timestampNs! < 60_000_000_000n && frame.timestampNs! <= now + 1_000_000_000n).toBe(true);
      const text = JSON.stringify(dissectFrame(frame.data, frame.linkType), (_, value) =>
        typeof value === 'bigint' ? String(value) : (value as unknown),
      );
      expect(text).not.toMatch(/checksum (is|should|wrong)/i);
    }
    const udp = new DataView(frames[0]!.data.buffer, frames[0]!.data.byteOffset + headers - 8);
    expect([udp.getUint16(0), udp.getUint16(2), udp.getUint16(4)]).toEqual([50_003, 4793, 20]);
  });

  test('the capture stops at its limit, traffic goes on, and the loss is counted', () => {
    const file = join(folder, 'limit.pcapng');
    const { wire, inner, written } = capture(file, '10.0.0.1', '10.0.0.2', 20_000);
    for (let i = 0; i < 1000; i++) {
      const slot = wire.slot()!;
      slot.length = 100;
      slot.path = 1;
      wire.send(0);
    }
    written.close();
    expect(inner.sent).toBe(1000);
    expect(written.frames + written.skipped).toBe(1000);
    expect(written.full).toBe(true);
    expect(statSync(file).size).toBeLessThanOrEqual(20_000);
    expect([...readPcapng(readFileSync(file))].length).toBe(written.frames);
    expect(written.frames).toBeGreaterThan(50);
  });

  test('a file that cannot be written is a wrong call', () => {
    expect(() => capture(join(folder, 'no', 'such', 'folder'), '10.0.0.1', '10.0.0.2')).toThrow(/EIO in openDevice/);
  });
});

function capture(file: string, own: string, other: string, limitBytes?: number) {
  const dma = new DmaSpace();
  const peer = { address: parseAddress(other)!, port: 4793 };
  const outgoing = new Packet(new Uint8Array(256));
  const inner = {
    sent: 0,
    receive(now: number, engine: Engine): number {
      const packet = new Packet(Buffer.from('>>arrived'), 2);
      packet.length = 7;
      packet.path = 1;
      engine.receive(now, packet);
      return 1;
    },
    slot(): Packet {
      outgoing.reset();
      return outgoing;
    },
    send(): void {
      this.sent++;
    },
    flush(): void {},
    deadline: () => NEVER,
    path: () => 1,
    peer: () => peer,
  } satisfies WireHost & { sent: number };
  const wire = new CaptureWire(inner, dma, {
    local: { address: parseAddress(own)!, port: 4793 },
    sourcePort: (entropy) => 50_000 + entropy,
  });
  const written = new CaptureFile({ file, device: 'uet0', limitBytes });
  wire.add(written);
  return { wire, inner, dma, written };
}
