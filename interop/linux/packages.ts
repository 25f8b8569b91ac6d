/**
 * The software of the guest, from Debian's packages: fetched with `apt-get download`, unpacked with `dpkg -x` into a
 * folder of our own. Nothing is installed into the system, and no root is needed.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProgramResult, runProgram } from './program.ts';
import { Unavailable } from './unavailable.ts';

/** QEMU as it can be started here. */
export interface Emulator {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Options that let it find its firmware. */
  readonly options: readonly string[];
}

export interface GuestSoftware {
  readonly emulator: Emulator;
  /** Where the guest's packages are unpacked. */
  readonly root: string;
  readonly kernel: string;
  /** As `uname -r` in the guest will say. */
  readonly kernelRelease: string;
  /** Package files, sorted: name, version, architecture. They identify the contents of `root`. */
  readonly packages: readonly string[];
}

/**
 * Fetches what is not in `cache` yet. With a complete cache it needs no network.
 *
 * @throws Unavailable when a tool, the network or a package is missing
 */
export async function fetchSoftware(cache: string, log: (line: string) => void): Promise<GuestSoftware> {
  if (process.arch !== 'x64') throw new Unavailable(`the guest is an amd64 machine; this one is ${process.arch}`);
  const root = join(cache, 'guest');
  if (!existsSync(join(root, COMPLETE))) {
    const apt = await openApt(cache);
    const kernel = await kernelPackage(apt);
    log(`fetching ${GUEST_PACKAGES.length + 1} Debian packages for the guest, ${kernel} among them`);
    await unpack(apt, [...GUEST_PACKAGES, kernel], root);
  }
  const packages = (await readFile(join(root, COMPLETE), 'utf8')).trim().split('\n');
  const image = (await readdir(join(root, 'boot'))).find((name) => name.startsWith('vmlinuz-'));
  if (image === undefined) throw new Unavailable(`no kernel in ${root}/boot: delete ${cache} and run again`);
  return {
    emulator: await findEmulator(cache, log),
    root,
    kernel: join(root, 'boot', image),
    kernelRelease: image.slice('vmlinuz-'.length),
    packages,
  };
}

/** The first word of a version such as `perftest_4.5+0.17-1_amd64.deb`, for notes. */
export function packageVersion(software: GuestSoftware, name: string): string {
  return software.packages.find((file) => file.startsWith(`${name}_`))?.split('_')[1] ?? 'unknown';
}

async function findEmulator(cache: string, log: (line: string) => void): Promise<Emulator> {
  const installed = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, QEMU));
  const file = installed.find((candidate) => existsSync(candidate));
  if (file !== undefined) return { file, env: {}, options: [] };
  const root = join(cache, 'qemu');
  if (!existsSync(join(root, COMPLETE))) {
    const apt = await openApt(cache);
    const names = await missingPackages(apt, ['qemu-system-x86', 'seabios']);
    log(`fetching ${names.length} Debian packages for ${QEMU}, which is not installed`);
    await unpack(apt, names, root);
  }
  const libraries = LIBRARY_FOLDERS.map((folder) => join(root, folder));
  return {
    file: join(root, 'usr/bin', QEMU),
    env: { LD_LIBRARY_PATH: libraries.join(':'), QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu') },
    options: ['-L', join(root, 'usr/share/qemu'), '-L', join(root, 'usr/share/seabios')],
  };
}

/** apt's commands with the options that make them see a package list. */
interface Apt {
  readonly options: readonly string[];
}

/** Takes the system's package lists, or fetches lists into the cache if the system has none. */
async function openApt(cache: string): Promise<Apt> {
  for (const tool of ['apt-get', 'apt-cache', 'dpkg']) {
    const { status, stderr } = await runProgram(tool, ['--version']);
    if (status !== 0) throw new Unavailable(`${tool} is needed to fetch Debian packages: ${firstLine(stderr)}`);
  }
  // Downloads of an earlier apt run would be left out of the lists of addresses, so look in an empty archive folder.
  const archives = join(cache, 'archives');
  await mkdir(join(archives, 'partial'), { recursive: true });
  const system = { options: ['-o', `Dir::Cache::archives=${archives}/`] };
  if (await knows(system)) return system;
  const lists = join(cache, 'lists');
  await mkdir(join(lists, 'partial'), { recursive: true });
  const own = { options: [...system.options, '-o', `Dir::State::lists=${lists}/`, '-o', `Dir::Cache=${cache}/apt/`] };
  await mkdir(join(cache, 'apt'), { recursive: true });
  const updated = await runProgram('apt-get', [...own.options, 'update'], { timeoutMs: 180_000 });
  if (await knows(own)) return own;
  throw new Unavailable(
    `apt knows no package ${GUEST_PACKAGES[0]}: Debian 12 and its archive are needed (${reason(updated)})`,
  );
}

async function knows(apt: Apt): Promise<boolean> {
  const { stdout } = await runProgram('apt-cache', [...apt.options, 'policy', 'perftest']);
  return /Candidate: [^(]/.test(stdout);
}

/** The package with the kernel that `linux-image-amd64` names: only that one, not what it depends on. */
async function kernelPackage(apt: Apt): Promise<string> {
  const { stdout } = await runProgram('apt-cache', [...apt.options, 'depends', '--important', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\d\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Unavailable('apt names no kernel behind linux-image-amd64: Debian 12 is needed');
  return name;
}

/** `names` and what they need that is not installed here. */
async function missingPackages(apt: Apt, names: readonly string[]): Promise<string[]> {
  const result = await runProgram('apt-get', [
    ...apt.options,
    'install',
    '--print-uris',
    '--no-install-recommends',
    '--yes',
    '-qq',
    ...names,
  ]);
  const found = [...result.stdout.matchAll(/^'[^']+' ([^_\s]+)_/gm)].map((match) => match[1]!);
  if (found.length === 0) throw new Unavailable(`apt finds no ${names.join(', ')}: ${reason(result)}`);
  return found;
}

async function unpack(apt: Apt, names: readonly string[], root: string): Promise<void> {
  const folder = `${root}-debs`;
  for (const path of [root, folder]) {
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
  }
  const fetched = await runProgram('apt-get', [...apt.options, '-qq', 'download', ...names], {
    cwd: folder,
    timeoutMs: 300_000,
  });
  if (fetched.status !== 0) throw new Unavailable(`packages could not be fetched: ${reason(fetched)}`);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.deb')).sort();
  for (const file of files) {
    const unpacked = await runProgram('dpkg', ['-x', join(folder, file), root], { timeoutMs: 120_000 });
    if (unpacked.status !== 0) throw new Unavailable(`${file} could not be unpacked: ${reason(unpacked)}`);
  }
  await rm(folder, { recursive: true, force: true });
  await writeFile(join(root, COMPLETE), `${files.join('\n')}\n`);
}

function reason(result: ProgramResult): string {
  const lines = result.stderr.split('\n').filter((line) => line.startsWith('E: '));
  return lines[0]?.slice(3) ?? firstLine(result.stderr);
}

function firstLine(text: string): string {
  return text.split('\n')[0] || 'no reason given';
}

const QEMU = 'qemu-system-x86_64';
/** Written last, so that a broken fetch is repeated. */
const COMPLETE = '.packages';
const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'];

/** The tools with the libraries that they need; listed, since apt would leave out what this machine has. */
const GUEST_PACKAGES = [
  'perftest',
  'ibverbs-utils',
  'rdmacm-utils',
  'libibverbs1',
  'ibverbs-providers',
  'librdmacm1',
  'libibumad3',
  'libnl-3-200',
  'libnl-route-3-200',
  'libpci3',
  'libudev1',
  'iproute2',
  'libmnl0',
  'libbpf1',
  'libelf1',
  'libcap2',
  'libbsd0',
  'libmd0',
  'libdb5.3',
  'libtirpc3',
  'libxtables12',
  'libselinux1',
  'libpcre2-8-0',
  'zlib1g',
  'libc6',
  // glibc loads it when a thread ends.
  'libgcc-s1',
  // Only for libstdbuf.so, which makes the tools write each line at once.
  'coreutils',
  'busybox-static',
];
