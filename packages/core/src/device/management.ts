/** What the management channel does. Reading is free; changing needs the administrative right. @spec rdma-core 19.2 */
import { isVerbsError } from '../base/verbs-error.ts';
import { MANAGEMENT, type ManagementObject, NETNS_MODES } from '../uapi/management/index.ts';
import { checkRoom, encodeAnswer, type RequestHeader } from '../uapi/message.ts';
import { type Input, inputsOf, type Method, methodKey } from '../uapi/schema.ts';
import type { CallOutput } from './driver.ts';
import { readCapture, startCapture } from './management/captures.ts';
import { addDevice, changeDevice, devRow, linkRows } from './management/devices.ts';
import { readFeed, startFeed, stopFeed } from './management/feeds.ts';
import { addJob, deleteJob, exportJob, jobPage } from './management/jobs.ts';
import { censusOf, resourcePage, summaryRow } from './management/resources.ts';
import { addSecureDomain, installKey, secureDomainsOf } from './management/secure-domains.ts';
import { queuePairPage } from './management/statistics.ts';
import { attachToGroup, deleteGroup, groupPage, sessionPage, setGroup, systemRow } from './management/system.ts';
import { deviceOf, devicesOf, deviceToChange } from './management/visibility.ts';
import type { MethodEntry } from './method-table.ts';
import type { Session } from './session.ts';
import { Transaction } from './transaction.ts';

/** One method of the management channel. */
export interface ManagementEntry extends Pick<MethodEntry, 'name' | 'method' | 'inputs'> {
  readonly serve: (session: Session, input: Values, tx: Transaction) => Values | undefined;
}

type Values = Readonly<Record<string, unknown>>;
type Serve<M extends Method> = (
  session: Session,
  input: Input<M>,
  tx: Transaction,
) => keyof CallOutput<M> extends never ? unknown : CallOutput<M>;
type Handlers = {
  readonly [O in ManagementObject]: {
    readonly [M in keyof (typeof MANAGEMENT)[O]['methods']]: (typeof MANAGEMENT)[O]['methods'][M] extends Method
      ? Serve<(typeof MANAGEMENT)[O]['methods'][M]>
      : never;
  };
};

const HANDLERS: Handlers = {
  DEV: {
    SHOW: (session, { device }) => ({ rows: devicesOf(session, 'DEV.SHOW', device).map(devRow) }),
    SET: changeDevice,
    RESET: (session, { device }) => deviceToChange(session, 'DEV.RESET', device).reset(),
    DELETE: (session, { device }) => session.system.remove(deviceToChange(session, 'DEV.DELETE', device)),
    ADD: (session, { options }) => ({ ifindex: addDevice(session, options) }),
  },
  LINK: {
    SHOW: (session, { device, port }) => ({
      rows: devicesOf(session, 'LINK.SHOW', device).flatMap((one) => linkRows(one, port)),
    }),
  },
  RESOURCE: {
    CENSUS: (session, { device }) => ({ counts: censusOf(session, deviceOf(session, 'RESOURCE.CENSUS', device)) }),
    SHOW: resourcePage,
    SUMMARY: (session, { device }) => ({
      rows: devicesOf(session, 'RESOURCE.SUMMARY', device).map((one) => summaryRow(session, one)),
    }),
  },
  STATISTIC: {
    SHOW: (session, { device }) => ({ counters: deviceOf(session, 'STATISTIC.SHOW', device).statistics() }),
    QP_SHOW: queuePairPage,
  },
  SYSTEM: {
    SHOW: (session) => ({ attributes: systemRow(session) }),
    SET: ({ system }, { netns }) => system.setNamespaceMode(netns === NETNS_MODES.SHARED ? 'shared' : 'exclusive'),
    SESSIONS: (session, { after }) => sessionPage(session, after),
    GROUP_SHOW: (session, { group, after }) => groupPage(session, group, after),
    GROUP_SET: setGroup,
    GROUP_ATTACH: (session, { group, pid }) => ({ sessions: attachToGroup(session, group, pid) }),
    GROUP_DELETE: (session, { group }) => deleteGroup(session, group),
  },
  JOBS: {
    SHOW: (session, { name, after }) => jobPage(session, name, after),
    ADD: addJob,
    EXPORT: (session, { id }, tx) => ({ token: exportJob(session, id, tx) }),
    DELETE: (session, { id }) => deleteJob(session, id),
  },
  MONITOR: {
    START: (session) => startFeed(session, 'MONITOR'),
    READ: (session, _, tx) => readFeed(session, 'MONITOR', tx),
    STOP: (session) => stopFeed(session, 'MONITOR'),
  },
  TRACE: {
    START: (session) => startFeed(session, 'TRACE'),
    READ: (session, _, tx) => readFeed(session, 'TRACE', tx),
    STOP: (session) => stopFeed(session, 'TRACE'),
  },
  SECDOM: {
    SHOW: (session) => ({ rows: session.system.secureDomains?.rows() ?? [] }),
    ADD: addSecureDomain,
    INSTALL: installKey,
    ACTIVATE: (session, { sdi, an }) => secureDomainsOf(session, 'SECDOM.ACTIVATE').activate(sdi, an),
    RETIRE: (session, { sdi, an }) => secureDomainsOf(session, 'SECDOM.RETIRE').retire(sdi, an),
    DELETE: (session, { sdi }) => secureDomainsOf(session, 'SECDOM.DELETE').remove(sdi),
  },
  CAPTURE: {
    START: startCapture,
    READ: (session, _, tx) => readCapture(session, tx),
    STOP: (session) => session.capture?.end(),
  },
};

/** Methods by object and method number. */
export const managementMethods: ReadonlyMap<number, ManagementEntry> = new Map(
  Object.entries(MANAGEMENT).flatMap(([objectName, object]) =>
    Object.entries(object.methods as Readonly<Record<string, Method>>).map(([name, method]) => {
      const handlers = HANDLERS[objectName as ManagementObject] as unknown as Readonly<
        Record<string, ManagementEntry['serve']>
      >;
      return [
        methodKey(object.id, method.id),
        { name: `${objectName}.${name}`, method, inputs: inputsOf(method), serve: handlers[name]! },
      ];
    }),
  ),
);

/**
 * Serves one call, as a transaction like all others, and lets those who trace see it.
 *
 * @param read - checks the right and gives the values
 */
export function serveManagement(
  session: Session,
  entry: ManagementEntry,
  header: RequestHeader,
  read: () => Values,
): Uint8Array {
  const tx = new Transaction(session.system.inject);
  let input: Values = {};
  try {
    input = read();
    const output = entry.serve(session, input, tx) ?? {};
    const bytes = encodeAnswer(entry.method, output, header.cookie);
    checkRoom(bytes.length, header, entry.name);
    tell(session, entry, { request: textOf(input), answer: textOf(output), answer_bytes: bytes.length });
    return bytes;
  } catch (thrown) {
    tx.rollback();
    tell(session, entry, { request: textOf(input), error: isVerbsError(thrown) ? thrown.message : 'EIO' });
    throw thrown;
  }
}

/** Calls about tracing are not traced: they would only be about each other. */
function tell(
  { system, credentials }: Session,
  { name }: ManagementEntry,
  more: Record<string, string | number>,
): void {
  if (system.managementTaps.size === 0 || name.startsWith('TRACE.')) return;
  const { pid, name: comm } = credentials;
  for (const tap of [...system.managementTaps]) tap({ at_ns: system.now, pid, comm, call: name, ...more });
}

/** Values as text for people. Bytes are capabilities, which are never shown. */
function textOf(values: Values): string {
  const text = JSON.stringify(values, (_, value: unknown) => {
    if (value instanceof Uint8Array) return `<${value.length} bytes>`;
    return typeof value === 'bigint' ? String(value) : value;
  });
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

const MAX_TEXT = 480;
