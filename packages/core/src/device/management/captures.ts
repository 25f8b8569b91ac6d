/**
 * Captures of what a device sends and receives. They show data of every program on it: only administrators may, and from
 * another namespace only where the device is of that namespace.
 * @spec rdma-core 19.2
 */
import { VerbsError } from '../../base/verbs-error.ts';
import { CAPTURE_PART_BYTES } from '../../uapi/management/capture.ts';
import { Capture, type CaptureSink } from '../capture.ts';
import type { SecureDomains } from '../secure-domains.ts';
import type { Session } from '../session.ts';
import type { Transaction } from '../transaction.ts';
import { deviceOf, seesNamespace } from './visibility.ts';

/**
 * Begins a capture.
 *
 * @returns what is woken when there is something to read
 * @throws VerbsError `ENODEV` · `EPERM` the device belongs to another namespace · `EOPNOTSUPP` the driver cannot ·
 *   `EBUSY` this connection has one · `ENOSPC` there are as many as there can be · with `decrypt` `EOPNOTSUPP` there are no keys
 */
export function startCapture(
  session: Session,
  { device: name, decrypt = 0 }: { readonly device: string; readonly decrypt?: number | undefined },
  tx: Transaction,
): { readonly wake: number } {
  const call = 'CAPTURE.START';
  const { system } = session;
  const device = deviceOf(session, call, name);
  if (!seesNamespace(session, device.namespace)) {
    throw new VerbsError('EPERM', call, `${device.name} carries data of namespace ${device.namespace.name}`, {
      given: `a caller in namespace ${session.namespace.name}`,
      try: `from namespace ${system.initialNamespace.name}`,
    });
  }
  if (device.driver.capture === undefined) {
    throw new VerbsError('EOPNOTSUPP', call, `the driver ${device.driver.name} does not show its frames`, {
      object: `device ${device.name}`,
    });
  }
  if (session.capture?.ended === false) {
    throw new VerbsError('EBUSY', call, 'this connection has a capture', {
      try: 'CAPTURE.STOP, or another connection',
    });
  }
  const others = [...system.sessions].filter((one) => one !== session && one.capture !== undefined).length;
  if (others >= MAX_CAPTURES) {
    throw new VerbsError('ENOSPC', call, `${MAX_CAPTURES} captures are under way, the most there can be`, {
      try: 'when one has ended',
    });
  }
  const capture = new Capture(session.nextWake(), (wake) => session.wake(wake));
  tx.run(
    'capture',
    () =>
      capture.start((sink) => {
        const stop = device.driver.capture!(decrypt === 1 ? inTheClear(system.secureDomains, sink) : sink);
        // a device that is moved away is gone for who is here
        const unwatch = system.watch(({ event, index }) => {
          if (event === 'unregister' && index === device.index) capture.end();
        });
        return () => {
          unwatch();
          stop();
        };
      }),
    () => capture.end(),
  );
  const before = session.capture;
  tx.run(
    'keep',
    () => {
      session.capture = capture;
    },
    () => {
      session.capture = before;
    },
  );
  return { wake: capture.wake };
}

/** @throws VerbsError EINVAL none was started, or all of it was read */
export function readCapture(
  session: Session,
  tx: Transaction,
): { readonly bytes: Uint8Array; readonly frames: number; readonly lost: number; readonly ended: number } {
  const { capture } = session;
  if (capture === undefined) {
    throw new VerbsError('EINVAL', 'CAPTURE.READ', 'nothing is captured', { try: 'CAPTURE.START first' });
  }
  const bytes = tx.run(
    'take',
    () => capture.take(CAPTURE_PART_BYTES),
    (taken) => capture.putBack(taken),
  );
  const { frames, lost, done } = capture;
  if (done) {
    tx.run(
      'forget',
      () => {
        session.capture = undefined;
      },
      () => {
        session.capture = capture;
      },
    );
  }
  return { bytes, frames, lost, ended: Number(done) };
}

/** Whoever may see all packets of a device, and administers its keys, may see the packets in the clear. */
function inTheClear(domains: SecureDomains | undefined, sink: CaptureSink): CaptureSink {
  if (domains?.decrypting !== undefined) return domains.decrypting(sink);
  throw new VerbsError('EOPNOTSUPP', 'CAPTURE.START', 'this system has no cryptography to open packets with', {
    given: 'decrypt 1',
    try: 'a capture as packets are on the wire',
  });
}

/** Each has a buffer, and costs the device a copy of every packet. */
const MAX_CAPTURES = 4;
