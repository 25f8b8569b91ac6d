/** Where the tester's cipher comes from. */
export type { CipherKey } from '@verbena/core';
export { NodeCipher } from '@verbena/node';
