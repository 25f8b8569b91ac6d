/** Makes the guest's initial file system, which is all that it has, from unpacked packages. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { AGENT_SCRIPT } from './agent.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import type { GuestSoftware } from './packages.ts';
import { runProgram } from './program.ts';
import { Unavailable } from './unavailable.ts';

/**
 * The image's path. It is made once for the same packages and scripts.
 *
 * @throws Unavailable when a file that the guest needs is in no package
 */
export async function buildInitramfs(
  software: GuestSoftware,
  cache: string,
  log: (line: string) => void,
): Promise<string> {
  const identity = createHash('sha256')
    .update(JSON.stringify([software.packages, INIT_SCRIPT, AGENT_SCRIPT, MODULES, PROGRAMS, FILES]))
    .digest('hex')
    .slice(0, 16);
  const path = join(cache, `initramfs-${identity}.gz`);
  if (existsSync(path)) return path;
  log('building the initial file system of the guest');
  const entries: CpioEntry[] = [
    { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
    ...['proc', 'sys', 'run', 'tmp', 'applets', 'root'].map((name): CpioEntry => ({ path: name, kind: 'folder' })),
    { path: 'init', kind: 'file', bytes: Buffer.from(INIT_SCRIPT), executable: true },
    { path: 'agent', kind: 'file', bytes: Buffer.from(AGENT_SCRIPT), executable: true },
    { path: 'modules/order', kind: 'file', bytes: Buffer.from(MODULES.map((name) => `${name}.ko\n`).join('')) },
    ...(await modules(software)),
  ];
  for (const [folder, pattern] of [...PROGRAMS, ...FILES]) {
    entries.push(...(await matching(software.root, folder, pattern)));
  }
  const image = gzipSync(writeCpio(entries), { level: 6 });
  await writeFile(`${path}.new`, image);
  await rename(`${path}.new`, path);
  return path;
}

/** Files and links of one folder of the packages, in the same place in the guest. */
async function matching(root: string, folder: string, pattern: RegExp): Promise<CpioEntry[]> {
  const names = existsSync(join(root, folder)) ? (await readdir(join(root, folder))).sort() : [];
  const entries: CpioEntry[] = [];
  for (const name of names) {
    if (!pattern.test(name)) continue;
    const source = join(root, folder, name);
    const path = `${folder}/${name}`;
    const status = await lstat(source);
    if (status.isSymbolicLink()) entries.push({ path, kind: 'link', target: await readlink(source) });
    else if (status.isFile()) entries.push({ path, kind: 'file', bytes: await readFile(source), executable: true });
  }
  if (entries.length === 0 && !OPTIONAL_FOLDERS.includes(folder)) {
    throw new Unavailable(`no file ${pattern} in folder ${folder} of the packages`);
  }
  return entries;
}

async function modules(software: GuestSoftware): Promise<CpioEntry[]> {
  const tree = join(software.root, 'lib/modules', software.kernelRelease, 'kernel');
  const places = new Map<string, string>();
  for (const file of await readdir(tree, { recursive: true })) {
    const match = /^([^.]+)\.ko(\.xz)?$/.exec(basename(file));
    if (match !== null) places.set(match[1]!.replaceAll('-', '_'), join(tree, file));
  }
  const entries: CpioEntry[] = [];
  for (const name of MODULES) {
    const place = places.get(name);
    if (place === undefined) throw new Unavailable(`kernel ${software.kernelRelease} has no module ${name}`);
    entries.push({ path: `modules/${name}.ko`, kind: 'file', bytes: await moduleBytes(place) });
  }
  return entries;
}

/** insmod takes plain modules only; some kernel packages compress them. */
async function moduleBytes(place: string): Promise<Uint8Array> {
  if (!place.endsWith('.xz')) return readFile(place);
  const plain = `${place.slice(0, -'.xz'.length)}.plain`;
  const script = 'xz --decompress --stdout "$1" > "$2"';
  const { status, stderr } = await runProgram('sh', ['-c', script, 'sh', place, plain]);
  if (status !== 0) throw new Unavailable(`module ${basename(place)} could not be decompressed: ${stderr}`);
  return readFile(plain);
}

/** Each after what it needs. rxe takes its checksum from crc32_generic by name, which no symbol shows. */
const MODULES = [
  'crc32_generic',
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_console',
  'failover',
  'net_failover',
  'virtio_net',
  'sch_netem',
  'udp_tunnel',
  'ip6_udp_tunnel',
  'ib_core',
  'ib_uverbs',
  'rdma_rxe',
  'configfs',
  'ib_cm',
  'iw_cm',
  'rdma_cm',
  'rdma_ucm',
];

const LIBRARY = /\.so(\.[\d.]+)?$/;
const PROGRAMS: readonly (readonly [folder: string, pattern: RegExp])[] = [
  ['bin', /^(busybox|ip|ss)$/],
  ['sbin', /^(ip|tc|rdma|ethtool)$/],
  ['usr/bin', /^(ibv_|ib_|rdma|rping$|udaddy$|udpong$|ucmatose$|cmtime$|mckey$|riostream$|rstream$)/],
  ['usr/sbin', /^rdma$/],
];
const FILES: readonly (readonly [folder: string, pattern: RegExp])[] = [
  ['lib/x86_64-linux-gnu', LIBRARY],
  ['lib64', /^ld-linux/],
  ['usr/lib/x86_64-linux-gnu', LIBRARY],
  ['usr/lib/x86_64-linux-gnu/libibverbs', /^librxe-/],
  ['usr/libexec/coreutils', /^libstdbuf\.so$/],
  ['etc/libibverbs.d', /^rxe\.driver$/],
];
/** Where programs lie differs between releases. */
const OPTIONAL_FOLDERS = ['sbin', 'usr/sbin', 'lib64'];

const INIT_SCRIPT = `#!/bin/busybox sh
busybox=/bin/busybox
$busybox --install -s /applets
export PATH=/usr/bin:/usr/sbin:/bin:/sbin:/applets HOME=/root
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module; do
  insmod /modules/$module || echo "module $module could not be loaded"
done </modules/order
# The tools write into pipes; without this nothing of a tool that had to be killed would be seen.
export _STDBUF_O=L LD_PRELOAD=/usr/libexec/coreutils/libstdbuf.so
sh /agent
poweroff -f
`;
