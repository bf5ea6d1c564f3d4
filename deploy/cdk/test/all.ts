// All tests in one process, where neither a home nor an account is there.

for (const name of Object.keys(process.env)) {
  if (name === 'HOME' || /^(AWS|CDK)_/.test(name)) delete process.env[name];
}

// Only now: modules may read the environment as they load.
for (const name of ['acceptance', 'data', 'delivery', 'services', 'synthesis']) require(`./${name}.test`);
