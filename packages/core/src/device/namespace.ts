/**
 * A network namespace, as far as devices are concerned: each device belongs to one. In shared mode every namespace sees
 * every device; in exclusive mode only its own.
 * @spec rdma-core 17
 */
export class Namespace {
  readonly name: string;
  /** What the host knows it by. */
  readonly identity: string;
  /** Sessions in it. */
  sessions = 0;

  constructor(name: string, identity = name) {
    this.name = name;
    this.identity = identity;
  }
}
