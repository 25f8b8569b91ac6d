/** Secure domains, as an administrator provisions them. Key bytes are overwritten as soon as they have been taken. */
import { VerbsError } from '../../base/verbs-error.ts';
import type { Row } from '../../uapi/rows.ts';
import type { SecureDomains } from '../secure-domains.ts';
import type { Session } from '../session.ts';

/** @throws VerbsError `EOPNOTSUPP` this system protects nothing */
export function secureDomainsOf({ system: { secureDomains } }: Session, call: string): SecureDomains {
  if (secureDomains !== undefined) return secureDomains;
  throw new VerbsError('EOPNOTSUPP', call, 'this system has no cryptography', {
    missing: 'a host that provides it',
    try: 'a daemon, or a program on Node',
  });
}

interface NewKey {
  readonly sdi: number;
  readonly key: Uint8Array;
  readonly an?: number | undefined;
  readonly epoch?: number | undefined;
}

export function addSecureDomain(session: Session, input: NewKey & { readonly options: Row }): void {
  const { sdi, options } = input;
  const domains = secureDomainsOf(session, 'SECDOM.ADD');
  withKey(input, (key) => domains.add(sdi, options, key));
}

export function installKey(session: Session, input: NewKey): void {
  const domains = secureDomainsOf(session, 'SECDOM.INSTALL');
  withKey(input, (key) => domains.install(input.sdi, key));
}

function withKey(
  { key, an = 0, epoch = 0 }: NewKey,
  use: (key: { bytes: Uint8Array; an: number; epoch: number }) => void,
): void {
  try {
    use({ bytes: key, an, epoch });
  } finally {
    key.fill(0);
  }
}
