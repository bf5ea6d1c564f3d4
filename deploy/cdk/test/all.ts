// All tests in one process, where neither a home nor an account is there.

import { readdirSync } from 'node:fs';

for (const name of Object.keys(process.env)) {
  if (name === 'HOME' || /^(AWS|CDK)_/.test(name)) delete process.env[name];
}

// Only now: modules may read the environment as they load.
for (const name of readdirSync(__dirname).filter(it => it.endsWith('.test.js')).sort()) require(`./${name}`);
