import { TRANSPORTS } from '@verbena/core';
import { runSchedules } from '@verbena/core/testing';
import { it } from 'vitest';
it('x', () => {
    for (const from of [49,219,226,227,257,459,497,521,540]) {
    const report = runSchedules(TRANSPORTS[0]!, { from, count: 1 });
    for (const f of report.failures) console.log(f.text.split('\n').slice(0, 1).join('\n').slice(0, 400));
    }
});
