// The feature flags of every app that is made here. cdk.json is read by the CLI alone, so flags that stood there would not hold
// in the tests nor in a synthesis without the CLI: errors of the library would then end with 0, and warnings be silent.

import recommended from 'aws-cdk-lib/recommended-feature-flags.json';

export const FLAGS: Readonly<Record<string, unknown>> = {
  ...recommended,
  // Recommended are weak references, by which a stack can be taken away while others use it. A database and its secret are not to be.
  '@aws-cdk/core:defaultCrossStackReferences': 'strong',
};
