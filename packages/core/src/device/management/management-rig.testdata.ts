/** Sessions of several users and namespaces on one simulated device, for the tests of the management channel. */
import { isVerbsError, type VerbsError } from '../../base/verbs-error.ts';
import { uet } from '../../transports/uet/index.ts';
import { UAPI, type UapiObject } from '../../uapi/index.ts';
import { MANAGEMENT, type ManagementObject } from '../../uapi/management/index.ts';
import { decodeAnswer, encodeRequest } from '../../uapi/message.ts';
import type { Row } from '../../uapi/rows.ts';
import type { Input, Method, ObjectSchema } from '../../uapi/schema.ts';
import { Rig, type RigDevice, type RigOptions } from '../../verbs/device-rig.testdata.ts';
import { ALL_RIGHTS, type Credentials, NO_RIGHTS, type Session } from '../session.ts';
import type { System } from '../system.ts';

export class ManagementRig {
  readonly rig = new Rig();
  readonly node: RigDevice;
  readonly system: System;
  readonly admin: Session;
  #pids = 100;

  constructor(options: RigOptions = {}) {
    this.node = this.rig.device('10.0.0.1', { transport: uet, ...options });
    this.system = this.node.system;
    this.admin = this.session({ name: 'admin' });
  }

  session(more: Partial<Credentials> = {}): Session {
    const pid = ++this.#pids;
    return this.system.session({ pid, uid: 0, gid: 0, name: `p${pid}`, rights: ALL_RIGHTS, wake: () => {}, ...more });
  }

  /** A program without any right. */
  user(more: Partial<Credentials> = {}): Session {
    return this.session({ uid: 1000, rights: NO_RIGHTS, ...more });
  }
}

// biome-ignore lint/suspicious/noExplicitAny: answers of every method, looked at in assertions
type Answer = any;

/** Calls the management channel. @throws VerbsError */
export function manage<O extends ManagementObject, M extends keyof (typeof MANAGEMENT)[O]['methods']>(
  session: Session,
  object: O,
  method: M,
  input: (typeof MANAGEMENT)[O]['methods'][M] extends Method ? Input<(typeof MANAGEMENT)[O]['methods'][M]> : never,
): Answer {
  const schema: ObjectSchema = MANAGEMENT[object];
  const one = schema.methods[method as string]!;
  const bytes = encodeRequest(schema, one, input as Input<Method>);
  return decodeAnswer(one, session.invoke({ bytes, attachments: [] }).bytes);
}

/** Calls the user API. @throws VerbsError */
export function invoke(
  session: Session,
  context: number,
  object: UapiObject,
  method: string,
  input: Readonly<Record<string, unknown>> = {},
): Answer {
  const schema: ObjectSchema = UAPI[object];
  const one = schema.methods[method]!;
  const bytes = encodeRequest(schema, one, input as Input<Method>, { context, driver: context === 0 ? 0 : 1 });
  return decodeAnswer(one, session.invoke({ bytes, attachments: [] }).bytes);
}

export const open = (session: Session, device?: string): number =>
  invoke(session, 0, 'DEVICE', 'OPEN', device === undefined ? {} : { device }).context as number;

/** Every row of a list in parts, and how many parts there were. */
export function listed(
  session: Session,
  input: Input<(typeof MANAGEMENT)['RESOURCE']['methods']['SHOW']>,
  between = () => {},
): Row[] {
  const all: Row[] = [];
  for (let after = ''; ; ) {
    const { rows, next } = manage(session, 'RESOURCE', 'SHOW', { ...input, after });
    all.push(...rows);
    if (next === '') return all;
    after = next;
    between();
  }
}

/** The error that a call throws. */
export function thrown(run: () => unknown): VerbsError {
  try {
    run();
  } catch (error) {
    if (isVerbsError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
