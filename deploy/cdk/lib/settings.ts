// What a person decides: context values (`-c name=value` of the CLI, or CDK_CONTEXT_JSON without it), each checked once.

import type { Node } from 'constructs';

export interface Settings {
  /** Part of the names of stacks, parameters and log groups. */
  readonly environment: string;
  readonly account?: string;
  readonly region: string;
  /** Three zones; the region's first three unless set. */
  readonly zones?: readonly string[];
  /** Tag or digest (sha256:…) of the image in the repository that the data stack makes. */
  readonly image: string;
  /** The processor of the tasks; ARM64 costs a fifth less. */
  readonly architecture: 'ARM64' | 'X86_64';
  /** `iam`: who may read which topic is decided by the task roles. `tls`: as in the workshop, whoever reaches the port may do anything. */
  readonly kafkaAccess: 'iam' | 'tls';
  /** Where the archive begins without a committed offset; the workshop's is `latest`, which leaves out what came before. */
  readonly offsetReset: 'earliest' | 'latest';
  readonly topic: string;
  /** At least as many as tasks can be: each further task would have nothing to read. */
  readonly partitions: number;
  readonly kafkaVersion: string;
  readonly brokerType: string;
  readonly databaseVersion: string;
  /** Class of the two instances of the database, without `db.`. */
  readonly databaseClass: string;
  /** Who may reach the REST API; the network's own range unless set. */
  readonly restClients?: string;
  /** With a certificate the REST API is HTTPS. */
  readonly certificateArn?: string;
  /** Endpoints for AWS APIs in each zone: some 7 USD a month each and zone, more than the tasks themselves. */
  readonly interfaceEndpoints: boolean;
  /** Connect's tasks beyond the first on spare capacity. */
  readonly spot: boolean;
  /** Whether a message is sent every five minutes, as in the workshop. */
  readonly producer: boolean;
  /** Who is told of alarms. */
  readonly alarmEmail?: string;
  /** `owner/name` of the repository whose workflow may deploy. */
  readonly githubRepository?: string;
  /** ARN of a connection to the source for CodePipeline, with `sourceRepository` and `sourceBranch`. */
  readonly connectionArn?: string;
  readonly sourceRepository?: string;
  readonly sourceBranch: string;
}

export const DEFAULTS: Settings = {
  environment: 'prod',
  region: 'eu-west-1',
  image: 'latest',
  architecture: 'ARM64',
  kafkaAccess: 'iam',
  offsetReset: 'earliest',
  topic: 'MyTopic',
  partitions: 12,
  kafkaVersion: '3.9.x.kraft',
  brokerType: 'kafka.m7g.large',
  databaseVersion: '5.0.0',
  databaseClass: 'r6g.large',
  interfaceEndpoints: false,
  spot: false,
  producer: true,
  sourceBranch: 'main',
};

/** The most tasks that a service is scaled to, as in the workshop. */
export const MAX_TASKS = 10;

const TEXTS = [
  'environment',
  'account',
  'region',
  'image',
  'topic',
  'kafkaVersion',
  'brokerType',
  'databaseVersion',
  'databaseClass',
  'restClients',
  'certificateArn',
  'alarmEmail',
  'githubRepository',
  'connectionArn',
  'sourceRepository',
  'sourceBranch',
] as const;
const KNOWN: readonly string[] = [...TEXTS, 'architecture', 'kafkaAccess', 'offsetReset', 'interfaceEndpoints', 'spot', 'producer', 'partitions', 'zones'];

/** What a person has to put right: no trace tells more. */
export class WrongSettings extends Error {}

/** The settings of a context; everything that is wrong is told at once. */
export function readSettings(node: Node, machine: { account?: string; region?: string } = {}): Settings {
  const problems: string[] = [];
  const read: Record<string, unknown> = { ...DEFAULTS };
  // An account or region that the CLI knows of counts where the context names none.
  if (machine.account) read.account = machine.account;
  if (machine.region) read.region = machine.region;
  const told = (name: string): unknown => node.tryGetContext(name);
  for (const name of TEXTS) {
    const value = told(name);
    if (value === undefined || value === '') continue;
    if (typeof value === 'string') read[name] = value;
    else problems.push(`${name} is a text`);
  }
  const choice = (name: keyof Settings, choices: readonly string[]) => {
    const value = told(name);
    if (value === undefined) return;
    if (choices.includes(String(value))) read[name] = value;
    else problems.push(`${name} is one of ${choices.join(', ')}, not ${String(value)}`);
  };
  choice('architecture', ['ARM64', 'X86_64']);
  choice('kafkaAccess', ['iam', 'tls']);
  choice('offsetReset', ['earliest', 'latest']);
  for (const name of ['interfaceEndpoints', 'spot', 'producer'] as const) {
    const value = told(name);
    if (value === undefined) continue;
    if (['true', 'false'].includes(String(value))) read[name] = String(value) === 'true';
    else problems.push(`${name} is true or false, not ${String(value)}`);
  }
  const partitions = told('partitions');
  if (partitions !== undefined) read.partitions = Number(partitions);
  const zones = told('zones');
  if (zones !== undefined) read.zones = Array.isArray(zones) ? zones : String(zones).split(',');
  // What is the library's own or the CLI's has a dash, a colon, a slash or an @ in its name.
  const unknown = Object.keys(node.getAllContext()).filter(it => /^[A-Za-z]+$/.test(it) && !KNOWN.includes(it));
  for (const name of unknown) problems.push(`${name} is unknown: there are ${[...KNOWN].sort().join(', ')}`);
  const settings = read as unknown as Settings;
  problems.push(...wrong(settings));
  if (problems.length > 0) throw new WrongSettings(`the settings are wrong:\n  ${problems.join('\n  ')}`);
  return settings;
}

function wrong(settings: Settings): string[] {
  const problems: string[] = [];
  if (!Number.isInteger(settings.partitions) || settings.partitions < MAX_TASKS) {
    problems.push(`partitions is a whole number of at least ${MAX_TASKS}: each task beyond the partitions would be idle`);
  }
  if (settings.zones && settings.zones.length !== 3) {
    problems.push('zones are three: Kafka keeps one copy in each');
  }
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(settings.environment)) {
    problems.push('environment is up to 20 small letters, digits and dashes');
  }
  if (!/^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/.test(settings.image)) {
    problems.push('image is a tag or sha256:DIGEST');
  }
  if (settings.connectionArn && !settings.sourceRepository) {
    problems.push('sourceRepository (owner/name) is missing: connectionArn asks for it');
  }
  for (const name of ['githubRepository', 'sourceRepository'] as const) {
    const value = settings[name];
    if (value && !/^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/.test(value)) problems.push(`${name} is owner/name`);
  }
  return problems;
}
