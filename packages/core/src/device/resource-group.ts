/**
 * Resource groups, in the manner of the rdma cgroup controller: a tree; limits per device on open contexts, on objects
 * of any kind together, and on registered memory. A charge counts on every level up to the root, and goes back to the
 * group that was charged, whatever its owner does meanwhile.
 * @spec rdma-core 18
 */
import { VerbsError } from '../base/verbs-error.ts';

export const RESOURCES = ['hca_handle', 'hca_object', 'mr_mem'] as const;
export type Resource = (typeof RESOURCES)[number];

export interface Charge {
  /** Gives it back; the second call does nothing. */
  release(): void;
}

interface Usage {
  current: number;
  peak: number;
  max: number;
  /** How often the limit of this group refused a charge. */
  hits: number;
  /** The same, of this group and below. */
  subtreeHits: number;
}

export class ResourceGroup {
  readonly name: string;
  readonly parent: ResourceGroup | undefined;
  readonly children = new Map<string, ResourceGroup>();
  /** By device name and resource. */
  readonly #usage = new Map<string, Usage>();
  readonly #onHit = new Set<(device: string, resource: Resource) => void>();

  constructor(name: string, parent?: ResourceGroup) {
    this.name = name;
    this.parent = parent;
  }

  /** From the root, such as `/tenants/a`. */
  get path(): string {
    if (this.parent === undefined) return '/';
    return this.parent.parent === undefined ? `/${this.name}` : `${this.parent.path}/${this.name}`;
  }

  /** @throws VerbsError `EAGAIN` a limit of this group or of one above; nothing is charged then */
  charge(device: string, resource: Resource, amount = 1): Charge {
    for (let group: ResourceGroup | undefined = this; group !== undefined; group = group.parent) {
      const usage = group.#of(device, resource);
      if (usage.current + amount <= usage.max) continue;
      usage.hits++;
      for (let above: ResourceGroup | undefined = group; above !== undefined; above = above.parent) {
        above.#of(device, resource).subtreeHits++;
      }
      for (const listener of group.#onHit) listener(device, resource);
      throw new VerbsError(
        'EAGAIN',
        'charge',
        `resource group ${group.path} allows ${usage.max} ${resource} on ${device}`,
        {
          given: `${usage.current} in use, ${amount} more asked`,
          try: 'give something back, or a larger limit: verbena system set group',
        },
      );
    }
    // records, not names: the device may be renamed or gone when the charge goes back
    const charged: Usage[] = [];
    for (let group: ResourceGroup | undefined = this; group !== undefined; group = group.parent) {
      const usage = group.#of(device, resource);
      usage.current += amount;
      usage.peak = Math.max(usage.peak, usage.current);
      charged.push(usage);
    }
    return {
      release: () => {
        for (let usage = charged.pop(); usage !== undefined; usage = charged.pop()) usage.current -= amount;
      },
    };
  }

  /** Sets a limit; below what is in use it only refuses new charges. */
  limit(device: string, resource: Resource, max: number): void {
    this.#of(device, resource).max = max;
  }

  usage(device: string, resource: Resource): Readonly<Usage> {
    return { ...this.#of(device, resource) };
  }

  /** Calls back whenever a limit of this very group refuses. @returns what ends that */
  onHit(listener: (device: string, resource: Resource) => void): () => void {
    this.#onHit.add(listener);
    return () => this.#onHit.delete(listener);
  }

  /** A device is gone, and its records with it. */
  forget(device: string): void {
    for (const resource of RESOURCES) this.#usage.delete(keyOf(device, resource));
    for (const child of this.children.values()) child.forget(device);
  }

  /** A device has another name: limits and uses go with it. */
  rename(before: string, name: string): void {
    for (const resource of RESOURCES) {
      const usage = this.#usage.get(keyOf(before, resource));
      if (usage === undefined) continue;
      this.#usage.delete(keyOf(before, resource));
      this.#usage.set(keyOf(name, resource), usage);
    }
    for (const child of this.children.values()) child.rename(before, name);
  }

  /** Devices with a limit or a use here. */
  devices(): string[] {
    return [...new Set([...this.#usage.keys()].map((key) => key.slice(key.indexOf(' ') + 1)))].sort();
  }

  /** This group and all below. */
  *walk(): IterableIterator<ResourceGroup> {
    yield this;
    for (const child of this.children.values()) yield* child.walk();
  }

  #of(device: string, resource: Resource): Usage {
    const key = keyOf(device, resource);
    let usage = this.#usage.get(key);
    if (usage === undefined) {
      usage = { current: 0, peak: 0, max: Number.POSITIVE_INFINITY, hits: 0, subtreeHits: 0 };
      this.#usage.set(key, usage);
    }
    return usage;
  }
}

const keyOf = (device: string, resource: Resource): string => `${resource} ${device}`;
