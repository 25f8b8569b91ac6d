import { defineConfig } from 'vitest/config';

const source = (path: string) => new URL(path, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      {
        find: /^@verbena\/core\/(wire|testing|uapi|abi|cm|fabric)$/,
        replacement: `${source('./packages/core/src/')}$1/index.ts`,
      },
      { find: /^@verbena\/core$/, replacement: source('./packages/core/src/index.ts') },
      { find: /^@verbena\/node\/daemon$/, replacement: source('./packages/node/src/daemon/index.ts') },
      { find: /^@verbena\/node$/, replacement: source('./packages/node/src/index.ts') },
    ],
  },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'testing/**/*.test.ts',
      'fuzz/**/*.test.ts',
      'interop/linux/*.test.ts',
      'conformance/*.test.ts',
      'interop/linux/peers/*.test.ts',
      'tools/**/*.test.ts',
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
  },
});
