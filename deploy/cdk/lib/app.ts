// All stacks, in the order in which they need each other.

import { App, DefaultStackSynthesizer, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { Cluster } from './cluster';
import { Connect } from './connect';
import { Data } from './data';
import { FLAGS } from './flags';
import { Network } from './network';
import { Observability } from './observability';
import { GithubRole, Pipeline } from './pipeline';
import { Producer } from './producer';
import { readSettings, type Settings } from './settings';
import { Streams } from './streams';

export interface Deployment {
  readonly app: App;
  readonly settings: Settings;
  readonly network: Network;
  readonly data: Data;
  readonly cluster: Cluster;
  readonly streams: Streams;
  readonly connect: Connect;
  readonly producer?: Producer;
  readonly observability: Observability;
  readonly github?: GithubRole;
  readonly pipeline?: Pipeline;
}

/** `context`: settings by name, for tests; people give theirs by the CLI or CDK_CONTEXT_JSON. */
export function deployment(context: Record<string, unknown> = {}, outdir?: string): Deployment {
  const app = new App({
    context: { ...FLAGS, ...context },
    outdir,
    analyticsReporting: false,
    // Without that rule a template is deployed by any tool, also where `cdk bootstrap` was never run.
    defaultStackSynthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }),
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const settings = readSettings(app.node, {
    account: process.env.CDK_DEFAULT_ACCOUNT,
    region: process.env.CDK_DEFAULT_REGION,
  });
  const name = (stack: string) => `millstream-${settings.environment}-${stack}`;
  const about = (stack: string, description: string) => ({
    env: { account: settings.account, region: settings.region },
    stackName: name(stack),
    description,
  });
  const network = new Network(app, name('network'), settings, about('network', 'millstream: network in three zones'));
  const data = new Data(app, name('data'), settings, network.vpc, about('data', 'millstream: Kafka, document store, names'));
  const cluster = new Cluster(app, name('cluster'), settings, network.vpc, about('cluster', 'millstream: image repository and cluster'));
  const streams = new Streams(app, name('streams'), settings, cluster, data, about('streams', 'millstream: stream processor'));
  const connect = new Connect(app, name('connect'), settings, cluster, data, about('connect', 'millstream: Connect workers'));
  const producer = settings.producer
    ? new Producer(app, name('producer'), settings, cluster, data, about('producer', 'millstream: a message every five minutes'))
    : undefined;
  const observability = new Observability(
    app,
    name('observability'),
    { settings, data, cluster, streams, connect },
    about('observability', 'millstream: alarms and dashboards'),
  );
  const github = settings.githubRepository
    ? new GithubRole(app, name('github'), settings.githubRepository, settings, cluster, about('github', 'millstream: role of the workflow'))
    : undefined;
  const pipeline = settings.connectionArn
    ? new Pipeline(app, name('pipeline'), settings, { cluster, streams, connect }, about('pipeline', 'millstream: pipeline'))
    : undefined;
  Tags.of(app).add('application', 'millstream');
  Tags.of(app).add('environment', settings.environment);
  return { app, settings, network, data, cluster, streams, connect, producer, observability, github, pipeline };
}
