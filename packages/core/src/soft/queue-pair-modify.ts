/** QP.MODIFY and QP.QUERY of a software device: the tables of the core decide, then all is done or nothing. */
import { formatAddress } from '../base/ip-address.ts';
import { VerbsError } from '../base/verbs-error.ts';
import type { Call } from '../device/call.ts';
import { type QpAttribute, type QpKind, qpStepFault } from '../device/qp-transitions.ts';
import type { QueuePairAttributes } from '../engine/engine.ts';
import type { UAPI } from '../uapi/index.ts';
import { QP_STATES, type QpState } from '../uapi/objects/qp.ts';
import type { Row } from '../uapi/rows.ts';
import { cutOff, pathTo } from './address-ops.ts';
import { type KernelParts, stateOf } from './kernel-parts.ts';
import type { SoftQueuePair } from './objects.ts';
import { attributesChanged, enterState, newAttributes, setAccess } from './queue-pair-states.ts';

/**
 * @returns the state afterwards
 * @throws VerbsError `EINVAL` what is missing, or not allowed, or wrong · `EOPNOTSUPP` a state that the kind lacks ·
 *   `EACCES` the job was taken away
 */
export function modifyQueuePair(parts: KernelParts, call: Call<(typeof UAPI)['QP']['methods']['MODIFY']>): QpState {
  const { input } = call;
  const qp = stateOf<SoftQueuePair>(input.handle);
  const from = qp.state as QpState;
  const to = input.state === undefined ? undefined : stateName(input.state);
  const { handle, state, ...attributes } = input;
  const given = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [name as QpAttribute],
  );
  const object = `queue pair 0x${qp.qpn.toString(16)} (${qp.type}, ${from})`;
  if (input.currentState !== undefined) checkCurrent(call, object, from, stateName(input.currentState));
  const fault = qpStepFault(qp.type as QpKind, from, to, given);
  if (fault !== undefined) {
    throw new VerbsError(fault.code, call.name, fault.problem, {
      object,
      ...(given.length === 0 ? {} : { given: given.join(', ') }),
      ...(fault.missing.length === 0 ? {} : { missing: fault.missing.join(', ') }),
      try: fault.try,
      see: 'verbs 2.3',
    });
  }
  const target = to ?? from;
  if (target !== 'ERR' && target !== 'RESET' && qp.jobKey?.revoked === true) throw cutOff(call.name);
  checkValues(call, object, qp);
  const before = { path: qp.peerPath, qpn: qp.peerQpn, attributes: { ...qp.attributes } };
  if (input.address !== undefined) qp.peerPath = pathTo(call.name, qp.link, input.address);
  if (input.destQpn !== undefined) qp.peerQpn = input.destQpn;
  if (target === 'RESET') {
    qp.peerPath = qp.peerQpn = 0;
    Object.assign(qp.attributes, newAttributes(qp.type));
  } else Object.assign(qp.attributes, attributesFor(qp, input));
  call.tx.onUndo(() => {
    qp.peerPath = before.path;
    qp.peerQpn = before.qpn;
    Object.assign(qp.attributes, before.attributes);
  });
  call.tx.reach('engine');
  let why = '';
  if (target === from && target === 'RTS') attributesChanged(qp, call.now);
  else why = enterState(qp, target, call.now);
  if (why !== '') {
    throw new VerbsError('EINVAL', call.name, `the transport refuses the queue pair: ${why}`, { object });
  }
  if (input.accessFlags !== undefined) setAccess(parts.registry, qp, input.accessFlags);
  for (const name of given) remember(qp, name, attributes[name]);
  if (target === 'RESET') qp.modified.clear();
  qp.drainNotice = target === 'SQD' && input.sqdNotify === 1;
  qp.link.data.noticeDrained(qp);
  return target;
}

/** Everything that MODIFY can set, and what creation chose. */
export function queryQueuePair(qp: SoftQueuePair): Row {
  return {
    type: qp.type,
    qpn: qp.qpn,
    state: qp.state,
    ordered: qp.ordered,
    source_id: qp.sourceId,
    job: qp.jobKey?.job.id ?? 0,
    gid_index: qp.link.index,
    transport: qp.link.transport.name,
    access_flags: qp.access,
    send_entries: qp.sends.ring.size,
    receive_entries: qp.srq === undefined ? qp.receives.ring.size : 0,
    shared_receives: qp.srq !== undefined,
    attached_regions: qp.attached.size,
    ...Object.fromEntries([...qp.modified].map(([name, value]) => [snake(name), value])),
    ...qp.semantics,
  };
}

function checkCurrent(call: Call, object: string, from: QpState, named: QpState): void {
  if (named === from && CURRENT.includes(named)) return;
  throw new VerbsError('EINVAL', call.name, `the queue pair is in ${from}, not in ${named}`, {
    object,
    try: CURRENT.includes(from) ? `currentState: '${from}'` : 'leave `currentState` out',
  });
}

function checkValues(
  { input, name }: Call<(typeof UAPI)['QP']['methods']['MODIFY']>,
  object: string,
  qp: SoftQueuePair,
): void {
  const { address, pathMtu, port, pkeyIndex, maxRdAtomic = 0, maxDestRdAtomic = 0 } = input;
  const { payloadMtus, limits } = qp.link.transport.attributes;
  const refuse = (problem: string, advice: string) => new VerbsError('EINVAL', name, problem, { object, try: advice });
  if (address !== undefined && address.sgidIndex !== qp.link.index) {
    throw refuse('the address belongs to another address entry', `sgidIndex: ${qp.link.index}`);
  }
  if (pathMtu !== undefined && (pathMtu < 1 || pathMtu > 5)) {
    throw refuse(`${pathMtu} is no code of a path MTU`, '1 to 5: 256 to 4096 bytes');
  }
  if (pathMtu !== undefined && payloadMtus !== undefined && mtuBytes(pathMtu) > qp.link.payloadMtu) {
    throw refuse(
      `a path MTU of ${mtuBytes(pathMtu)} bytes is more than the port has`,
      `pathMtu: ${Math.log2(qp.link.payloadMtu) - 7} (${qp.link.payloadMtu} bytes), or less`,
    );
  }
  const mostReads = limits.maxRdAtomic ?? 16;
  if (maxRdAtomic > mostReads || maxDestRdAtomic > mostReads) {
    throw refuse(`more than ${mostReads} reads and atomics under way`, `0 to ${mostReads}`);
  }
  if (port !== undefined && port !== qp.link.port)
    throw refuse(`port ${port} is not its port`, `port: ${qp.link.port}`);
  if (pkeyIndex !== undefined && pkeyIndex !== 0) throw refuse('there is one partition key', 'pkeyIndex: 0');
}

const mtuBytes = (code: number): number => 128 << code;

/** What of a call its engine must know, in the engine's units. */
function attributesFor(
  { attributes }: SoftQueuePair,
  input: Readonly<Record<string, unknown>>,
): Partial<QueuePairAttributes> {
  const known = Object.keys(attributes).filter((name) => typeof input[name] === 'number');
  const changed = Object.fromEntries(known.map((name) => [name, input[name] as number]));
  if (changed['pathMtu'] !== undefined) changed['pathMtu'] = mtuBytes(changed['pathMtu']);
  return changed;
}

function remember(qp: SoftQueuePair, name: QpAttribute, value: unknown): void {
  if (name === 'currentState' || name === 'sqdNotify' || name === 'accessFlags') return;
  if (name === 'address') {
    qp.modified.set('peer', formatAddress((value as { address: Uint8Array }).address));
  } else if (typeof value === 'number') qp.modified.set(name, value);
}

const stateName = (value: number): QpState =>
  (Object.entries(QP_STATES).find(([, number]) => number === value)?.[0] ?? 'RESET') as QpState;
const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** States that a call may name as the present one. */
const CURRENT: readonly QpState[] = ['RTR', 'RTS', 'SQD', 'SQE'];
