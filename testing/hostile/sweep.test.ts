import { TRANSPORTS } from '@verbena/core';
import { byteChanges, fieldChanges, lengthChanges } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { RELIABLE_KINDS } from '../reliable-kinds.ts';
import { sweep } from './sweep.ts';

describe.each(RELIABLE_KINDS)('hostile packets for $transport.name $kind', ({ transport, kind }) => {
  it('survives every length of every kind of packet', () => {
    const report = sweep(transport, lengthChanges, kind);
    expect(report.offenders).toEqual([]);
    expect(report.originals).toBeGreaterThan(8);
    expect(report.packets).toBeGreaterThan(1000);
  });

  it('survives every header byte changed', () => {
    const report = sweep(transport, (packet) => byteChanges(packet, transport.headerBytes + 8), kind);
    expect(report.offenders).toEqual([]);
    expect(report.packets).toBeGreaterThan(1000);
  });

  it('survives every header field at its limits', () => {
    const report = sweep(transport, (packet) => fieldChanges(transport.name, packet), kind);
    expect(report.offenders).toEqual([]);
    expect(report.packets).toBeGreaterThan(500);
  });
});

it('sweeps each transport', () => {
  const swept = new Set(RELIABLE_KINDS.map(({ transport }) => transport));
  expect([...swept]).toEqual(TRANSPORTS);
});
