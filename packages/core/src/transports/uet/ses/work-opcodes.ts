/** What work requests become on the wire, and what they complete as. @spec uet:ses/2.7 uet:ses/7.2 */
import { CompletionOpcode, WorkOpcode } from '../../../engine/status.ts';
import { SesOpcode } from '../../../wire/uet/ses.ts';

/** The request that a work request goes as, and what it completes as; by `WorkOpcode`. */
export const SES_OPCODES: Readonly<Record<number, number>> = {
  [WorkOpcode.RDMA_READ]: SesOpcode.READ,
  [WorkOpcode.ATOMIC_CMP_AND_SWP]: SesOpcode.FETCHING_ATOMIC,
  [WorkOpcode.ATOMIC_FETCH_AND_ADD]: SesOpcode.FETCHING_ATOMIC,
  [WorkOpcode.ATOMIC]: SesOpcode.ATOMIC,
  [WorkOpcode.FETCHING_ATOMIC]: SesOpcode.FETCHING_ATOMIC,
  [WorkOpcode.TAGGED_ATOMIC]: SesOpcode.TSEND_ATOMIC,
  [WorkOpcode.TAGGED_FETCHING_ATOMIC]: SesOpcode.TSEND_FETCH_ATOMIC,
  [WorkOpcode.SEND]: SesOpcode.SEND,
  [WorkOpcode.SEND_WITH_IMM]: SesOpcode.SEND,
  [WorkOpcode.TAGGED_SEND]: SesOpcode.TAGGED_SEND,
  [WorkOpcode.TAGGED_SEND_WITH_IMM]: SesOpcode.TAGGED_SEND,
};
export const COMPLETION_OPCODES: Readonly<Record<number, number>> = {
  [WorkOpcode.RDMA_READ]: CompletionOpcode.RDMA_READ,
  [WorkOpcode.ATOMIC_CMP_AND_SWP]: CompletionOpcode.COMP_SWAP,
  [WorkOpcode.ATOMIC_FETCH_AND_ADD]: CompletionOpcode.FETCH_ADD,
  [WorkOpcode.ATOMIC]: CompletionOpcode.ATOMIC,
  [WorkOpcode.FETCHING_ATOMIC]: CompletionOpcode.FETCHING_ATOMIC,
  [WorkOpcode.TAGGED_ATOMIC]: CompletionOpcode.ATOMIC,
  [WorkOpcode.TAGGED_FETCHING_ATOMIC]: CompletionOpcode.FETCHING_ATOMIC,
  [WorkOpcode.SEND]: CompletionOpcode.SEND,
  [WorkOpcode.SEND_WITH_IMM]: CompletionOpcode.SEND,
  [WorkOpcode.TAGGED_SEND]: CompletionOpcode.TAGGED_SEND,
  [WorkOpcode.TAGGED_SEND_WITH_IMM]: CompletionOpcode.TAGGED_SEND,
};

/** Requests on memory that a key names. */
export const isAccess = (sesOpcode: number): boolean =>
  sesOpcode >= SesOpcode.WRITE && sesOpcode <= SesOpcode.FETCHING_ATOMIC;

/** Whether data comes back for a request. */
export const bringsBack = (sesOpcode: number): boolean =>
  sesOpcode === SesOpcode.READ || sesOpcode === SesOpcode.FETCHING_ATOMIC || sesOpcode === SesOpcode.TSEND_FETCH_ATOMIC;
