/**
 * The layers, as rules: an import may only point down, also a type-only one.
 *
 *   programs  cli
 *   hosts     node                      testing (the simulated host)
 *   assembly  catalog
 *   set-up    cm (on verbs and wire)  fabric (on verbs)
 *   API       verbs (user half)       soft (the driver of software devices)
 *   objects   device                  transports/* - cc
 *   contract  uapi                    engine, abi       wire
 *   ground              base
 */
const { readdirSync } = require('node:fs');

const core = '^packages/core/src';
const within = (folder) => `${core}/${folder}/`;
/** A folder of core may import only these others. Tests are free. */
const layer = (folder, allowed) => ({
  name: `core-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  comment: `${folder} may import only ${[folder, ...allowed].join(', ')}`,
  from: { path: within(folder), pathNot: '\\.test\\.ts$|testdata' },
  to: { path: `${core}/`, pathNot: [folder, ...allowed].map(within) },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: { pathNot: '\\.test\\.ts$' }, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    layer('base', []),
    layer('uapi', ['base']),
    layer('wire', ['base']),
    layer('abi', ['engine', 'base']),
    layer('engine', ['base']),
    layer('cc', ['engine', 'base']),
    ...readdirSync('packages/core/src/transports').map((name) =>
      layer(`transports/${name}`, ['engine', 'wire', 'cc', 'base']),
    ),
    layer('device', ['uapi', 'engine', 'base']),
    layer('soft', ['device', 'uapi', 'engine', 'abi', 'base']),
    layer('verbs', ['device', 'uapi', 'engine', 'abi', 'base']),
    layer('cm', ['verbs', 'engine', 'wire', 'base']),
    layer('fabric', ['verbs', 'uapi', 'engine', 'abi', 'base']),
    layer('testing', ['fabric', 'verbs', 'soft', 'device', 'uapi', 'engine', 'wire', 'abi', 'base']),
    {
      name: 'catalog-alone',
      severity: 'error',
      comment: 'catalog.ts is the only file outside a transport that imports transports',
      from: { path: `${core}/`, pathNot: [`${core}/transports/`, `${core}/catalog\\.ts$`, '\\.test\\.ts$|testdata'] },
      to: { path: `${core}/transports/` },
    },
    {
      name: 'core-is-pure',
      severity: 'error',
      comment: 'core has no dependencies and knows no runtime',
      from: { path: `${core}/`, pathNot: '\\.test\\.ts$|testdata' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'unknown'] },
    },
    {
      name: 'node-below-cli',
      severity: 'error',
      from: { path: '^packages/node/src' },
      to: { path: '^packages/cli/' },
    },
    {
      name: 'core-below-all',
      severity: 'error',
      from: { path: `${core}/` },
      to: { path: '^packages/(node|cli)/|^(testing|bench|fuzz|interop|conformance|tools)/' },
    },
    {
      name: 'conformance-apart',
      severity: 'error',
      comment: 'the tester knows packets and addresses; of the engine under test only the endpoint program knows anything',
      from: { path: '^conformance/(rules|tester)/' },
      to: { path: '^packages/core/src/(transports|soft|verbs|device)/|^conformance/endpoint/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/|/node_modules/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
