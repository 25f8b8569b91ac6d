import { TRANSPORTS } from '@verbena/core';
import { byteChanges, fieldChanges, lengthChanges } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { sweep } from './sweep.ts';

describe.each([...TRANSPORTS])('hostile packets for $name', (transport) => {
  it('survives every length of every kind of packet', () => {
    const report = sweep(transport, lengthChanges);
    expect(report.offenders).toEqual([]);
    expect(report.originals).toBeGreaterThan(8);
    expect(report.packets).toBeGreaterThan(1000);
  });

  it('survives every header byte changed', () => {
    const report = sweep(transport, (packet) => byteChanges(packet, transport.headerBytes + 8));
    expect(report.offenders).toEqual([]);
    expect(report.packets).toBeGreaterThan(1000);
  });

  it('survives every header field at its limits', () => {
    const report = sweep(transport, (packet) => fieldChanges(transport.name, packet));
    expect(report.offenders).toEqual([]);
    expect(report.packets).toBeGreaterThan(500);
  });
});
