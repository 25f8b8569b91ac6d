/** What operations in message form can ask for, and what the plain forms of an endpoint mean. */
import type { VerbsError } from '../base/verbs-error.ts';
import type { SendTemplate } from './templates.ts';
import type { Traffic } from './traffic.ts';

/** When an operation completes, and whether visibly. Each is false unless told. */
export interface TransmitOptions {
  /** Completes visibly; counts only where the queue was bound with `selective`. */
  readonly completion?: boolean;
  /** Completes when the data can be seen at the peer (FI_DELIVERY_COMPLETE). */
  readonly deliveryComplete?: boolean;
  /** Completes when a receive of the peer has taken the message (FI_MATCH_COMPLETE). */
  readonly matchComplete?: boolean;
  /** Begins when all before it to this peer are done (FI_FENCE); not beside caps.idempotent. */
  readonly fence?: boolean;
  /** The data is copied at once (FI_INJECT), up to `info.transmit.injectBytes`. */
  readonly inject?: boolean;
}

/** What an endpoint means by the plain forms. */
export interface TransmitDefaults {
  readonly completion: boolean;
  readonly deliveryComplete: boolean;
  readonly matchComplete: boolean;
}

/** How an endpoint was bound, for its operations. */
export interface OperationRules {
  readonly traffic: Traffic;
  /** The completion queue shows what asks for it, and no more. */
  readonly selectiveTransmit: boolean;
  readonly selectiveReceive: boolean;
  /** What the plain forms mean. */
  readonly defaults: TransmitDefaults;
  readonly minMultiReceive: () => number;
  refusal(call: string, problem: string, advice: string, code?: VerbsError['code']): VerbsError;
}

/** Sets the levels of a request in message form. @returns whether it completes visibly */
export function applyOptions(
  rules: OperationRules,
  call: string,
  template: SendTemplate,
  options: TransmitOptions,
): boolean {
  const { completion = false, deliveryComplete = false, matchComplete = false, fence = false } = options;
  const { caps } = rules.traffic.parts.info;
  // what may be repeated goes another way, and is not waited for
  if (fence && (!caps.fence || caps.idempotent)) {
    throw rules.refusal(
      call,
      'operations of this endpoint cannot wait for those before',
      'hints with caps.fence, and without caps.idempotent',
    );
  }
  template.levels(deliveryComplete, matchComplete, fence);
  return completion || !rules.selectiveTransmit;
}

/** The same for plain forms. */
export function applyDefaults({ defaults, selectiveTransmit }: OperationRules, template: SendTemplate): boolean {
  template.levels(defaults.deliveryComplete, defaults.matchComplete, false);
  return defaults.completion || !selectiveTransmit;
}

/** Copies what is to be injected. @throws VerbsError EMSGSIZE too long for that */
export function tooLongToInject(rules: OperationRules, call: string): VerbsError {
  const { injectBytes } = rules.traffic.parts.info.transmit;
  return rules.refusal(
    call,
    `more than the ${injectBytes} bytes that can be copied at once, or outside of the region`,
    'the form without `inject`',
    'EMSGSIZE',
  );
}
