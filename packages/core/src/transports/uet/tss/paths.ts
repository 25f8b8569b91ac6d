/** Paths of an engine with protection: the host's path, and above it the handle of the secure domain. */

/** Paths of a host are below this; at and above it they are protected. */
export const PATHS = 0x1_0000;

/** Handle of the domain of an engine's path; 0 for one in the clear. */
export const domainOf = (path: number): number => Math.floor(path / PATHS);
