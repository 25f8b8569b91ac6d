/** Says why this machine cannot run a Linux guest, and what would help. A run that meets it is skipped, not failed. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
