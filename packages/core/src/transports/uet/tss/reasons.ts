/** Why a packet is dropped for the sake of security. All of these are silent: an answer would be an oracle. @spec uet:tss/11 */
import type { DropReason } from '../../../engine/engine.ts';
import { drop } from '../../../engine/event-counters.ts';

export const SECURITY_DROPS = [
  drop(
    'tss_clear',
    'a packet in the clear on an endpoint that protects its packets',
    'uet:tss/15',
    'give the peer the keys of the domain',
  ),
  drop('tss_short', 'too short for a security header, a packet and a check value', 'uet:tss/11'),
  drop(
    'tss_domain',
    'a secure domain that is not known here',
    'uet:tss/11',
    'add the domain here: SECDOM.ADD, or the key file',
  ),
  drop(
    'tss_latched',
    'the secure domain takes no packets after too many forged ones',
    'uet:tss/11',
    'find who forges packets, then remove the domain and add it again',
  ),
  drop(
    'tss_source',
    'a source identifier is missing, or is not wanted',
    'uet:tss/11',
    'compare mode and source identifier of the domain at both ends',
  ),
  drop(
    'tss_key',
    'no key in the slot that the packet names: rotated out, or not here yet',
    'uet:tss/13',
    'install the key here first, activate it afterwards',
  ),
  drop(
    'tss_epoch',
    'the epoch has ended too long ago',
    'uet:tss/12',
    'compare the key files of both ends: one of them was restored from an old copy',
  ),
  drop('tss_derive', 'too many unknown sources at a time; known ones go on', 'uet:tss/18'),
  drop(
    'tss_auth',
    'the check value does not fit: another key, or the packet was changed',
    'uet:tss/11',
    'compare the keys of both ends; if they agree, somebody forges packets',
  ),
  drop(
    'tss_replays',
    'a request that can be recorded and sent again with effect (RUDI), where that is not allowed',
    'uet:tss/14.1',
    'use a queue pair that is not idempotent',
  ),
  drop('tss_trimmed', 'cut off by a switch, and so without check value', 'uet:tss/9.2'),
  drop('tss_unsent', 'not sent: its secure domain is gone, or its key is used up', 'uet:tss/10', 'rotate to a new key'),
] as const satisfies readonly DropReason[];

export type SecurityDrop = (typeof SECURITY_DROPS)[number]['name'];
