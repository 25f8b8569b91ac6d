/** The user API as data: every object that the core knows. Drivers add their own beside it. */
import { AH } from './objects/ah.ts';
import { ASYNC_EVENT } from './objects/async-event.ts';
import { COMP_CHANNEL } from './objects/comp-channel.ts';
import { COMP_CNTR } from './objects/comp-cntr.ts';
import { CQ } from './objects/cq.ts';
import { DEVICE } from './objects/device.ts';
import { JKEY } from './objects/jkey.ts';
import { JOB } from './objects/job.ts';
import { MR } from './objects/mr.ts';
import { MW } from './objects/mw.ts';
import { PD } from './objects/pd.ts';
import { QP } from './objects/qp.ts';
import { SRQ } from './objects/srq.ts';
import { UMEM } from './objects/umem.ts';

export const UAPI = {
  DEVICE,
  PD,
  COMP_CHANNEL,
  CQ,
  QP,
  SRQ,
  AH,
  MR,
  MW,
  ASYNC_EVENT,
  COMP_CNTR,
  JOB,
  JKEY,
  UMEM,
} as const;

export type UapiObject = keyof typeof UAPI;

export { ERRNO } from '../base/errno.ts';
export * from './layout.ts';
export * from './layouts.ts';
export { MANAGEMENT } from './management/index.ts';
export * from './message.ts';
export { ACCESS_FLAGS, ACCESS_HINTS, REREG_FLAGS } from './objects/mr.ts';
export { QP_STATES, QP_TYPES, type QpState, type QpType } from './objects/qp.ts';
export * from './rows.ts';
export * from './schema.ts';
export * from './snapshot.ts';
