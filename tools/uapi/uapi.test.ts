import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CompletionEntry, ReceiveEntry, SegmentEntry, SendEntry, type Struct } from '@verbena/core/abi';
import { ADDRESS, encodeRequest, type Layout, MEMBER_BYTES, MEMORY, UAPI } from '@verbena/core/uapi';
import { afterAll, describe, expect, it } from 'vitest';
import { memberName } from './c-names.ts';
import { brokenPromises, generatedFiles, SNAPSHOT_PATH } from './generated-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const INCLUDE = join(ROOT, 'packages/core/include');
const files = generatedFiles();

describe('what is made from the schema', () => {
  it.each([...files.keys()])('%s is up to date: npm run uapi (R054)', (path) => {
    const committed = existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : '';
    expect(committed === files.get(path), 'npm run uapi').toBe(true);
  });

  it('no number is taken away (R065)', () => {
    expect(brokenPromises(readFileSync(join(ROOT, SNAPSHOT_PATH), 'utf8'), files)).toEqual([]);
    expect(brokenPromises('PD = 99\nPD = 1', files)).toEqual(['PD = 99']);
  });

  it('the page has every attribute of every method (R054)', () => {
    const page = files.get('docs/uapi.md')!;
    for (const of of Object.values(UAPI)) {
      for (const [name, { id, attributes }] of Object.entries(of.methods)) {
        expect(page).toContain(`#### ${of.name}.${name} (${id})`);
        for (const label of Object.keys(attributes)) expect(page).toContain(`| \`${label}\` |`);
      }
    }
  });
});

const compiler = ['cc', 'gcc', 'clang'].find((name) => {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

describe.skipIf(compiler === undefined)('from C (skipped where there is no C compiler)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verbena-c-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const compile = (source: string, ...options: string[]) =>
    execFileSync(compiler!, ['-std=c11', '-Wall', '-Wextra', '-Werror', '-I', INCLUDE, ...options, source], {
      stdio: 'pipe',
      timeout: 60_000,
    });

  it('the example builds the same bytes as this library (R053)', () => {
    const program = join(folder, 'example');
    compile(join(INCLUDE, 'example.c'), '-o', program);
    const lines = execFileSync(program, { encoding: 'utf8', timeout: 10_000 }).trim().split('\n');
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    const list = encodeRequest(UAPI.DEVICE, UAPI.DEVICE.methods.LIST, {}, { cookie: 1 });
    const alloc = encodeRequest(UAPI.PD, UAPI.PD.methods.ALLOC, {}, { context: 5, driver: 1, cookie: 3 });
    expect(lines).toEqual([`list ${hex(list)}`, `alloc ${hex(alloc)}`]);
  });

  it('structures have their members at the same places (R053)', () => {
    const checks = [
      ...[SegmentEntry, SendEntry, ReceiveEntry, CompletionEntry].flatMap(entryChecks),
      ...[MEMORY, ADDRESS].flatMap(layoutChecks),
    ];
    expect(checks.length).toBeGreaterThan(40);
    const source = join(folder, 'places.c');
    writeFileSync(source, `#include "verbena.h"\n${checks.join('\n')}\n`);
    compile(source, '-fsyntax-only');
    writeFileSync(source, `#include "verbena.h"\n${place('vb_memory', 'offset', 12)}\n`);
    expect(() => compile(source, '-fsyntax-only')).toThrow(); // the check can fail
  });

  it('a request of every type, and an answer walked to its rows, in C as here (R053 R054)', () => {
    const source = join(folder, 'walk.c');
    const program = join(folder, 'walk');
    writeFileSync(source, WALK);
    compile(source, '-o', program);
    const text = execFileSync(program, { encoding: 'utf8', timeout: 10_000 }).trim().split('\n');
    const bytes = encodeRequest(
      UAPI.MR,
      UAPI.MR.methods.REG,
      { pd: 9, memory: { kind: 1, index: 2, offset: 4096, length: 2 ** 40 }, access: 7, key: 2n ** 47n },
      { context: 5, driver: 1, cookie: 8, extra: [{ id: 0x1000, flags: 0, value: Buffer.from('grün') }] },
    );
    expect(text[0]).toBe(Buffer.from(bytes).toString('hex'));
    expect(text.slice(1)).toEqual(['small 1', 'none 0']);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: any declared structure
function entryChecks({ name, members }: Struct<any>): string[] {
  let at = 0;
  return Object.entries(members as Readonly<Record<string, { kind: string; bytes: number }>>).flatMap(
    ([member, { kind, bytes }]) => {
      at += bytes;
      return kind === 'pad' ? [] : [place(`vb_${memberName(name)}`, memberName(member), at - bytes)];
    },
  );
}

function layoutChecks({ name, members }: Layout): string[] {
  let at = 0;
  return Object.entries(members).map(([member, kind]) => {
    at += MEMBER_BYTES[kind];
    return place(`vb_${memberName(name)}`, memberName(member), at - MEMBER_BYTES[kind]);
  });
}

const place = (struct: string, member: string, at: number): string =>
  `_Static_assert(offsetof(struct ${struct}, ${member}) == ${at}, "${struct}.${member}");`;

const WALK = `#include <stdio.h>
#include "verbena.h"
int main(void)
{
	static uint8_t request[256];
	struct vb_memory memory = { VB_MEMORY_KIND_UMEM, 2, 4096, 1ull << 40 };
	struct vb_builder b;
	size_t length, i;
	vb_begin(&b, request, sizeof(request), VB_OBJECT_MR, VB_MR_REG, 5, 1);
	vb_put_u32(&b, VB_MR_REG__PD, VB_ATTRIBUTE_MANDATORY, 9);
	vb_put(&b, VB_MR_REG__MEMORY, 0, &memory, sizeof(memory));
	vb_put_u32(&b, VB_MR_REG__ACCESS, VB_ATTRIBUTE_MANDATORY,
		   VB_MR_REG__ACCESS__LOCAL_WRITE | VB_MR_REG__ACCESS__REMOTE_WRITE | VB_MR_REG__ACCESS__REMOTE_READ);
	vb_put_u64(&b, VB_MR_REG__KEY, 0, 1ull << 47);
	vb_put_text(&b, VB_DRIVER_IDS, 0, "gr\\xc3\\xbcn");
	length = vb_end(&b, 8);
	for (i = 0; i < length; i++)
		printf("%02x", request[i]);
	vb_begin(&b, request, 40, VB_OBJECT_PD, VB_PD_ALLOC, 0, 0);
	vb_put_u32(&b, 0, 0, 1);
	printf("\\nsmall %d\\n", vb_end(&b, 0) == 0);
	{
		struct vb_value value;
		printf("none %d\\n", vb_find(request, 8, 0, &value));
	}
	return 0;
}
`;
