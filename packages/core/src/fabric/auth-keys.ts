/** Authorisation keys: an endpoint, a region or a peer belongs to a job by one. @spec uet:ses/7.4 */
import { VerbsError } from '../base/verbs-error.ts';
import type { Job, JobKey } from '../verbs/job.ts';
import type { Domain } from './domain.ts';

/** Bytes of a key that names a job; the device makes the job, if it may. */
export const AUTH_KEY_BYTES = 4;
/** Bytes of a key that is a capability, as `job.export()` gives: for programs that may not make jobs. */
export const CAPABILITY_BYTES = 32;

/** The part of a domain in a job. */
export interface DomainJob {
  readonly job: Job;
  readonly jobKey: JobKey;
  /** 0 where only a capability is known. */
  readonly id: number;
}

/** The key of a job. @throws VerbsError EINVAL no job id */
export function authKeyOf(jobId: number): Uint8Array {
  if (!Number.isInteger(jobId) || jobId < 1 || jobId > MAX_JOB) {
    throw new VerbsError('EINVAL', 'authKeyOf', `${jobId} is not a job`, { try: `1 to ${MAX_JOB}` });
  }
  return Uint8Array.of(0, jobId >>> 16, (jobId >>> 8) & 255, jobId & 255);
}

/** The jobs of one domain, each joined once. */
export class DomainJobs {
  readonly #domain: Domain;
  readonly #joined = new Map<string, DomainJob>();

  constructor(domain: Domain) {
    this.#domain = domain;
  }

  /**
   * Joins the job of a key; undefined where the protocol has no jobs.
   *
   * @param key - without it that of the domain, and without that job 1
   * @throws VerbsError `EINVAL` no key has this form · `EEXIST` the job is somebody else's · `EPERM`
   */
  join(call: string, key: Uint8Array | undefined): DomainJob | undefined {
    const { context, info } = this.#domain;
    if (context.attributes.maxJobId === 0) {
      if (key === undefined) return undefined;
      throw new VerbsError('EINVAL', call, `${info.endpoint.protocol} has no jobs, and no authorisation keys`, {
        object: this.#domain.describe(),
        try: 'no `authKey`',
      });
    }
    const bytes = key ?? this.#domain.authKey ?? DEFAULT_KEY;
    const name = String(bytes);
    let joined = this.#joined.get(name);
    if (joined === undefined) {
      joined = this.#join(call, bytes);
      this.#joined.set(name, joined);
    }
    return joined;
  }

  #join(call: string, bytes: Uint8Array): DomainJob {
    const { context, pd, fabric, info } = this.#domain;
    const { sgidIndex } = info;
    if (bytes.length !== AUTH_KEY_BYTES && bytes.length !== CAPABILITY_BYTES) {
      throw new VerbsError('EINVAL', call, `an authorisation key has ${AUTH_KEY_BYTES} bytes, not ${bytes.length}`, {
        object: this.#domain.describe(),
        try: `authKeyOf(jobId), or the ${CAPABILITY_BYTES} bytes of a capability of a job`,
      });
    }
    const id = bytes.length === AUTH_KEY_BYTES ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) : 0;
    const token = bytes.length === AUTH_KEY_BYTES ? fabric.jobToken(id, sgidIndex) : bytes;
    const job = context.importJob(token, { sgidIndex });
    return { job, jobKey: pd.createJobKey(job), id };
  }
}

const MAX_JOB = 0xff_ffff;
/** Where nobody says anything. */
const DEFAULT_KEY = Uint8Array.of(0, 0, 0, 1);
