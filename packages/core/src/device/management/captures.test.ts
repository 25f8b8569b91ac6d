import { describe, expect, it } from 'vitest';
import { MANAGEMENT } from '../../uapi/management/index.ts';
import { decodeAnswer, encodeRequest } from '../../uapi/message.ts';
import type { CaptureSink } from '../capture.ts';
import type { Driver } from '../driver.ts';
import { ManagementRig, manage, thrown } from './management-rig.testdata.ts';

/** A rig whose device shows frames that the test makes up. */
function capturing() {
  const rig = new ManagementRig();
  const sinks = new Set<CaptureSink>();
  const driver: Driver = rig.node.kernel;
  driver.capture = (sink) => {
    sink.write(HEADER);
    sinks.add(sink);
    return () => sinks.delete(sink);
  };
  const frame = (bytes: Uint8Array) => {
    for (const sink of sinks) if (sink.room(bytes.length)) sink.write(bytes);
  };
  return { rig, sinks, frame };
}

const HEADER = Uint8Array.of(0xa, 0xd, 0xd, 0xa);
const start = (session: ManagementRig['admin'], device = 'dev0') => manage(session, 'CAPTURE', 'START', { device });
const read = (session: ManagementRig['admin']) => manage(session, 'CAPTURE', 'READ', {});

describe('captures (rdma-core 19.2)', () => {
  it('give the header, then every frame once; the reader is woken when there is something again', () => {
    const { rig, sinks, frame } = capturing();
    const woken: number[] = [];
    const reader = rig.session({ wake: (number) => woken.push(number) });
    const { wake } = start(reader);
    expect(woken).toEqual([]);
    expect(read(reader)).toEqual({ bytes: HEADER, frames: 0, lost: 0, ended: 0 });
    frame(Uint8Array.of(1, 2, 3));
    frame(Uint8Array.of(4));
    expect(woken).toEqual([wake]);
    expect(read(reader)).toEqual({ bytes: Uint8Array.of(1, 2, 3, 4), frames: 2, lost: 0, ended: 0 });
    expect(read(reader).bytes.length).toBe(0);
    frame(Uint8Array.of(5));
    manage(reader, 'CAPTURE', 'STOP', {});
    expect(sinks.size).toBe(0);
    frame(Uint8Array.of(6));
    expect(read(reader)).toEqual({ bytes: Uint8Array.of(5), frames: 3, lost: 0, ended: 1 });
    expect(thrown(() => read(reader)).code).toBe('EINVAL');
    start(reader);
    expect(read(reader).bytes).toEqual(HEADER);
  });

  it('show data of others: only to administrators, and to no other namespace than the device is in (R160, threats)', () => {
    const { rig, sinks } = capturing();
    for (const rights of [
      { admin: false, job: false, raw: false },
      { admin: false, job: true, raw: true },
    ]) {
      const user = rig.session({ rights });
      expect(thrown(() => start(user)).code).toBe('EPERM');
      expect(thrown(() => read(user)).code).toBe('EPERM');
    }
    const foreign = rig.session({ namespace: rig.system.namespaceOf('ns1') });
    expect(thrown(() => start(foreign)).explain()).toMatch(
      /EPERM.*data of namespace init(.|\n)*try +from namespace init/,
    );
    expect(sinks.size).toBe(0);
  });

  it('end when the device is moved to another namespace, whose administrator may capture then', () => {
    const { rig, sinks } = capturing();
    rig.system.setNamespaceMode('exclusive');
    const namespace = rig.system.namespaceOf('ns1');
    start(rig.admin);
    rig.system.move(rig.node.registered, namespace);
    expect(sinks.size).toBe(0);
    expect(read(rig.admin)).toMatchObject({ ended: 1 });
    start(rig.session({ namespace }));
    expect(sinks.size).toBe(1);
  });

  it('are lost beyond a bound, whole frames only, and the loss is counted; answers are bounded', () => {
    const { rig, frame } = capturing();
    start(rig.admin);
    const big = new Uint8Array(9000);
    for (let i = 0; i < 3000; i++) frame(big.fill(i & 255));
    const parts: Uint8Array[] = [];
    let answer = read(rig.admin);
    const { frames, lost } = answer;
    expect(frames + lost).toBe(3000);
    expect(lost).toBeGreaterThan(1000);
    for (; answer.bytes.length > 0; answer = read(rig.admin)) {
      expect(answer.bytes.length).toBeLessThanOrEqual(49_152);
      parts.push(answer.bytes);
    }
    const all = Buffer.concat(parts);
    expect(all.length).toBe(HEADER.length + frames * 9000);
    for (let i = 0; i < frames; i++) expect(all[HEADER.length + i * 9000 + 8999]).toBe(i & 255);
    // there is room again, across the end of the ring
    frame(big.fill(77));
    expect(read(rig.admin)).toMatchObject({ bytes: big, frames: frames + 1, lost });
  });

  it('are one for a connection and four for all; there is room again when one has been read or its connection ends', () => {
    const { rig, sinks } = capturing();
    const sessions = Array.from({ length: 5 }, () => rig.session());
    for (const one of sessions.slice(0, 4)) start(one);
    expect(thrown(() => start(sessions[0]!)).code).toBe('EBUSY');
    expect(thrown(() => start(sessions[4]!)).explain()).toMatch(/ENOSPC.*4 captures are under way/);
    sessions[0]!.close();
    expect(sinks.size).toBe(3);
    start(sessions[4]!);
    manage(sessions[1]!, 'CAPTURE', 'STOP', {});
    expect(thrown(() => start(rig.admin)).code).toBe('ENOSPC'); // its buffer is still there
    read(sessions[1]!);
    start(rig.admin);
    for (const one of [...sessions, rig.admin]) one.close();
    expect(sinks.size).toBe(0);
  });

  it('end with the device; what was captured before can still be read', () => {
    const { rig, sinks, frame } = capturing();
    const woken: number[] = [];
    const reader = rig.session({ wake: (number) => woken.push(number) });
    const { wake } = start(reader);
    read(reader);
    frame(Uint8Array.of(1));
    rig.system.remove(rig.node.registered);
    expect(sinks.size).toBe(0);
    expect(woken).toEqual([wake, wake]);
    expect(read(reader)).toEqual({ bytes: Uint8Array.of(1), frames: 1, lost: 0, ended: 1 });
    expect(thrown(() => start(reader)).code).toBe('ENODEV');
  });

  it('need a driver that shows its frames', () => {
    const { admin } = new ManagementRig();
    expect(thrown(() => start(admin)).explain()).toMatch(/EOPNOTSUPP.*the driver soft does not show its frames/);
    expect(thrown(() => read(admin)).code).toBe('EINVAL');
    manage(admin, 'CAPTURE', 'STOP', {});
  });

  it('lose nothing when an answer is not taken, and leave nothing when the start fails at any step (R158)', () => {
    const { rig, sinks, frame } = capturing();
    const { START, READ } = MANAGEMENT.CAPTURE.methods;
    for (const step of ['capture', 'keep']) {
      rig.system.inject = (reached) => {
        if (reached === step) throw new Error('injected');
      };
      expect(() => start(rig.admin)).toThrow();
      expect(sinks.size).toBe(0);
      expect(rig.admin.capture).toBeUndefined();
    }
    rig.system.inject = undefined;
    const small = encodeRequest(MANAGEMENT.CAPTURE, START, { device: 'dev0' }, { room: 16 });
    expect(thrown(() => decodeAnswer(START, rig.admin.invoke({ bytes: small, attachments: [] }).bytes)).code).toBe(
      'ENOSPC',
    );
    expect(sinks.size).toBe(0);
    start(rig.admin);
    frame(Uint8Array.of(9));
    manage(rig.admin, 'CAPTURE', 'STOP', {});
    const request = encodeRequest(MANAGEMENT.CAPTURE, READ, {}, { room: 40 });
    expect(thrown(() => decodeAnswer(READ, rig.admin.invoke({ bytes: request, attachments: [] }).bytes)).code).toBe(
      'ENOSPC',
    );
    expect(read(rig.admin)).toEqual({ bytes: Uint8Array.of(...HEADER, 9), frames: 1, lost: 0, ended: 1 });
  });
});
