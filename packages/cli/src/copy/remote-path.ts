/** Paths as in scp: `HOST:PATH`, IPv6 in brackets. Everything else is a local path. */
import { BadInput } from '../failure.ts';

export interface RemotePath {
  readonly host: string;
  readonly path: string;
}

/** @returns undefined for a local path; `./a:b` is one */
export function parseRemotePath(text: string): RemotePath | undefined {
  if (/^(?=[0-9a-fA-F:]*::)[0-9a-fA-F]{0,4}:/.test(text)) {
    throw new BadInput(`'${text}' looks like an IPv6 address without brackets`, '[ADDRESS]:PATH, such as [::1]:file');
  }
  const match = /^(\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^:/[\]]+):(.*)$/s.exec(text);
  return match === null ? undefined : { host: match[1]!.replace(/^\[(.*)\]$/, '$1'), path: match[2]! };
}
