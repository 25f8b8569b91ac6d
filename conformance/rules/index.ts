/** All rules, in the order of their pages. */
import type { Rule } from '../rule.ts';
import { PDS_ACKNOWLEDGEMENT } from './pds-acknowledgement.ts';
import { PDS_CLOSE } from './pds-close.ts';
import { PDS_CONTROL } from './pds-control.ts';
import { PDS_LOOSE } from './pds-loose.ts';
import { PDS_NACKS } from './pds-nacks.ts';
import { PDS_ORDERED } from './pds-ordered.ts';
import { PDS_SOURCE } from './pds-source.ts';
import { PDS_START } from './pds-start.ts';
import { SES_ATOMICS } from './ses-atomics.ts';
import { SES_CHECKS } from './ses-checks.ts';
import { SES_INITIATOR } from './ses-initiator.ts';
import { SES_MESSAGES } from './ses-messages.ts';
import { SES_SENDS } from './ses-sends.ts';
import { SES_TAGGED } from './ses-tagged.ts';
import { TSS } from './tss.ts';

export const RULES: readonly Rule[] = [
  ...PDS_START,
  ...PDS_ACKNOWLEDGEMENT,
  ...PDS_CONTROL,
  ...PDS_CLOSE,
  ...PDS_ORDERED,
  ...PDS_SOURCE,
  ...PDS_NACKS,
  ...PDS_LOOSE,
  ...SES_CHECKS,
  ...SES_MESSAGES,
  ...SES_SENDS,
  ...SES_INITIATOR,
  ...SES_TAGGED,
  ...SES_ATOMICS,
  ...TSS,
];
