/** Writes the published schema of the configuration: `npm run schema`. */
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from './config.ts';

const file = new URL('../../schema/verbenad.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
