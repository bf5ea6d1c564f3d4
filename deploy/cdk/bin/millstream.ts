// The app as the CLI and `node build/bin/millstream.js` run it: everything in the stacks comes from the settings.

import { deployment } from '../lib/app';
import { WrongSettings } from '../lib/settings';

try {
  deployment().app.synth();
} catch (error) {
  if (!(error instanceof WrongSettings)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
