// The app as the CLI and `node build/bin/millstream.js` run it: everything in the stacks comes from the settings.

import { deployment } from '../lib/app';

deployment().app.synth();
