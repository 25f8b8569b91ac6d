import { give, method, need, object } from '../schema.ts';

/** @spec verbs/5.5 */
export const JKEY = object({
  id: 21,
  name: 'JKEY',
  text: 'Job key: a protection domain’s part in a job.',
  plural: 'job_keys',
  short: 'job_key',
  methods: {
    CREATE: method(0, 'Makes a job key.', {
      pd: need.read(0, 'PD', 'protection domain'),
      job: need.read(1, 'JOB', 'the job'),
      handle: give.handle(2, 'JKEY', 'the job key'),
      value: give.u32(3, 'names it in requests; never 0'),
    }),
    DESTROY: method(
      1,
      'Ends it; refused while a queue pair or region uses it.',
      {
        handle: need.destroy(0, 'JKEY', 'the job key'),
      },
      { shell: true },
    ),
  },
});
