/**
 * The folder that a server shows, and the wall around it.
 *
 * Names come from peers that are not trusted. A name is taken apart, `..` and absolute names are refused, and what is
 * left must lie below the folder after all symbolic links are followed. A file is checked once more after it is open,
 * so that a link that changes in between does not help.
 */
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { fileError, refusal, systemCode } from '../failure.ts';
import { FileSink } from './file-sink.ts';
import { FileSource } from './file-source.ts';

export class ServedFolder {
  readonly root: string;
  readonly isWritable: boolean;

  private constructor(root: string, isWritable: boolean) {
    this.root = root;
    this.isWritable = isWritable;
  }

  static async open(path: string, isWritable: boolean): Promise<ServedFolder> {
    try {
      const root = await realpath(path);
      if (!(await stat(root)).isDirectory()) throw refusal('EINVAL', 'serve', `${path} is not a folder`);
      return new ServedFolder(root, isWritable);
    } catch (thrown) {
      throw fileError('serve', path, thrown);
    }
  }

  /** Opens a file of the folder for reading. */
  async source(name: string): Promise<FileSource> {
    const path = await this.#inside(join(this.root, ...partsOf(name)), name);
    const source = await FileSource.open(path, name);
    const opened = await realpath(path).catch(() => '');
    if (opened === path) return source;
    await source.close();
    throw outside(name);
  }

  /**
   * Prepares a file of the folder for writing.
   *
   * @param fileName - the name in case that `name` is an existing folder
   */
  async sink(name: string, fileName: string, options: { force: boolean; sync: boolean }): Promise<FileSink> {
    if (!this.isWritable) {
      throw refusal('EACCES', 'cp', 'the server lets nobody write', { try: 'start it with --writable' });
    }
    let path = join(this.root, ...partsOf(name));
    if (name === '' || name.endsWith('/') || (await kindOf(path)) === 'folder') {
      if (partsOf(fileName).length !== 1) throw refusal('EINVAL', 'cp', `'${fileName}' is not a file name`);
      path = join(path, fileName);
    }
    const shown = path.slice(this.root.length + 1);
    const parent = await this.#inside(dirname(path), shown);
    const target = join(parent, basename(path));
    const kind = await kindOf(target);
    if (kind === 'folder') throw refusal('EINVAL', 'cp', `${shown} is a folder`);
    if (kind === 'link' || kind === 'other') throw refusal('EINVAL', 'cp', `${shown} is not a regular file`);
    if (kind === 'file' && !options.force) {
      throw refusal('EEXIST', 'cp', `${shown} exists on the server`, { try: '--force to replace it' });
    }
    return FileSink.create(target, { ...options, shown });
  }

  async #inside(path: string, shown: string): Promise<string> {
    let real: string;
    try {
      real = await realpath(path);
    } catch (thrown) {
      if (systemCode(thrown) === 'ENOENT') {
        // a link to nowhere must look like any other way out
        if ((await kindOf(path)) === 'link' && !(await this.#linkStays(path))) throw outside(shown);
        throw refusal('ENOENT', 'cp', `the server has no '${shown}'`, { try: 'paths count from the served folder' });
      }
      throw fileError('cp', shown, thrown);
    }
    if (real !== this.root && !real.startsWith(this.root === sep ? sep : this.root + sep)) throw outside(shown);
    return real;
  }

  async #linkStays(path: string): Promise<boolean> {
    const target = await readlink(path).catch(() => sep);
    return !target.startsWith(sep) && !target.split(sep).includes('..');
  }
}

/** The parts of a peer's path, each an ordinary name. */
function partsOf(name: string): string[] {
  if (name.includes('\0')) throw refusal('EINVAL', 'cp', 'the path has a zero byte in it');
  if (name.startsWith('/')) {
    throw refusal('EACCES', 'cp', `'${name}' is absolute: only files of the served folder can be reached`, {
      try: `HOST:${name.replace(/^\/+/, '')}, counted from the served folder`,
    });
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw outside(name);
  return parts;
}

async function kindOf(path: string): Promise<'none' | 'file' | 'folder' | 'link' | 'other'> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return 'link';
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other';
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return 'none';
    throw fileError('cp', path, thrown);
  }
}

function outside(name: string): Error {
  return refusal('EACCES', 'cp', `'${name}' leads out of the served folder`, {
    try: 'a path below the folder, without .. and without links that leave it',
  });
}
