/** Valid calls of every method over a socket: the case files of the dispatcher's own tests, on a device of a daemon. */
import { type CallBench, type CallCase, CallWorld, callCases, type OpenContext } from '@verbena/core/testing';
import { encodeRequest, type Method, type ObjectSchema, UAPI } from '@verbena/core/uapi';
import type { RawClient, RawContext } from './raw-client.ts';
import { closeDescriptor, memoryFile } from './system-calls.ts';

/** A request as bytes, with descriptors of its own, which the receiver of this closes. */
export interface RawRequest {
  readonly bytes: Uint8Array;
  readonly files: readonly number[];
}

export class RemoteWorld {
  readonly raw: RawContext;
  readonly world: CallWorld;
  readonly cases: readonly CallCase[];

  /**
   * A context with one object of each kind.
   *
   * @param jobs - whether the client has the right to make jobs; without it there are neither jobs nor job keys
   */
  constructor(client: RawClient, device: string, jobs: boolean) {
    this.raw = client.open(device);
    const { header } = this.raw;
    const { methods } = UAPI.DEVICE;
    const { methods: rows } = client.call(UAPI.DEVICE, methods.QUERY_METHODS, {}, header);
    const names = rows.map((row) => String(row.name));
    const has = new Set(jobs ? names : names.filter((name) => !/^(JOB|JKEY)\./.test(name)));
    const context = {
      number: header.context,
      opened: this.raw.opened,
      call: (
        object: keyof typeof UAPI,
        name: string,
        input: object,
        { attachments = [] as readonly unknown[] } = {},
      ) => {
        const files = filesOf(attachments);
        try {
          return this.raw.call(object, name as never, input, files);
        } finally {
          for (const fd of files) closeDescriptor(fd);
        }
      },
      // what the cases put there by hand, a daemon does not let anybody put there
      program: { session: { contexts: { get: () => ({ objects: { get: () => ({ state: { push() {} } }) } }) } } },
    };
    const bench = { device: { methods: has, raise() {} } };
    this.world = new NumberedWorld(bench as unknown as CallBench, context as unknown as OpenContext);
    this.cases = callCases(bench as unknown as CallBench);
  }

  /** The bytes of a valid call. @throws VerbsError, Error what it needs cannot be made */
  request(one: CallCase, cookie = 0): RawRequest {
    const { input, attachments = [] } = one.prepare(this.world);
    const of: ObjectSchema = UAPI[one.object];
    const bytes = encodeRequest(of, of.methods[one.method]!, input as never, { ...this.raw.header, cookie });
    return { bytes, files: filesOf(attachments) };
  }
}

/** Several worlds of one daemon do not take each other's job numbers. */
class NumberedWorld extends CallWorld {
  override job(): number {
    return nextJob++;
  }
}

function filesOf(attachments: readonly unknown[]): number[] {
  return attachments.map((one) => memoryFile(Math.ceil((one as Uint8Array).length / PAGE) * PAGE));
}

/** A method of the schema by its name. */
export const methodOf = ({ object, method }: CallCase): Method => (UAPI[object] as ObjectSchema).methods[method]!;

let nextJob = 100_000;
const PAGE = 4096;
