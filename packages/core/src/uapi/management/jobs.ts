import { TOKEN_BYTES } from '../objects/job.ts';
import { give, maybe, method, need, object } from '../schema.ts';

/** @spec verbs/5.4 */
export const JOBS = object({
  id: 0x105,
  name: 'JOBS',
  text: 'Jobs of the system, for launchers: who makes them need not have a device open.',
  plural: 'jobs',
  short: 'jobs',
  methods: {
    SHOW: method(0, 'The jobs there are, in parts. Capabilities are not shown.', {
      name: maybe(need.text(0, 'only the job of this name', 64)),
      after: maybe(need.text(1, 'where the part before ended', 128)),
      rows: give.rows(2, 'job, name, netns, owner, devices, holders, addresses, endpoints'),
      next: give.text(3, 'where to go on; empty at the end'),
    }),
    ADD: method(
      1,
      'Makes a job. It lives until it is deleted, also while nobody holds it.',
      {
        id: need.u32(0, 'number of the job, from 1'),
        name: maybe(need.text(1, 'name, unique', 64)),
        maxAddresses: maybe(need.u32(2, 'entries of its address table')),
      },
      { right: 'job' },
    ),
    EXPORT: method(
      2,
      'Makes a capability: whoever has it may join.',
      {
        id: need.u32(0, 'number of the job'),
        token: give.bytes(1, 'the capability', TOKEN_BYTES),
      },
      { right: 'job' },
    ),
    DELETE: method(
      3,
      'Ends a job: capabilities are void, queue pairs of all who hold it fail. Holders keep what they have as shells.',
      { id: need.u32(0, 'number of the job') },
      { right: 'job' },
    ),
  },
});
