/** Who may come to a queue pair, for transports that ask once: members of its job, and of a connected one its peer. */
import type { QueuePairConfig } from './engine.ts';
import type { RequestPart } from './work.ts';

export function admits({ jobId, peerPath = 0, peerQpn }: QueuePairConfig, request: RequestPart): boolean {
  if (jobId !== 0 && jobId !== request.jobId) return false;
  return peerPath === 0 || (peerPath === request.path && peerQpn === request.sourceQpn);
}
