// Deployments, each synthesised once for all tests, and questions about templates that more than one test asks.

import { Template } from 'aws-cdk-lib/assertions';
import type { Stack } from 'aws-cdk-lib';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deployment, type Deployment } from '../lib/app';

export const EVERYTHING = {
  githubRepository: 'someone/millstream',
  connectionArn: 'arn:aws:codeconnections:eu-west-1:111122223333:connection/0a1b2c3d-0000-4000-8000-000000000000',
  sourceRepository: 'someone/millstream',
  interfaceEndpoints: 'true',
  alarmEmail: 'someone@example.com',
  spot: 'true',
  image: `sha256:${'0'.repeat(64)}`,
};

export type Json = Record<string, any>;

/** Where templates stay that other tools look at after the tests. */
const OUTPUT = join(__dirname, '../../cdk.out');
const KEPT = new Map([
  [JSON.stringify({}), 'default'],
  [JSON.stringify(EVERYTHING), 'everything'],
]);

const made = new Map<string, Synthesised>();

/** The first one costs some seconds of CPU, most of it for what the library loads; so all tests share a process and these. */
export function synthesised(context: Record<string, unknown> = {}): Synthesised {
  const key = JSON.stringify(context);
  const found = made.get(key) ?? new Synthesised(context, KEPT.get(key));
  made.set(key, found);
  return found;
}

export class Synthesised {
  readonly deployment: Deployment;
  readonly folder: string;
  private readonly templates = new Map<Stack, Template>();

  constructor(context: Record<string, unknown>, kept?: string) {
    this.folder = kept ? join(OUTPUT, kept) : mkdtempSync(join(tmpdir(), 'millstream-cdk-'));
    this.deployment = deployment(context, this.folder);
    this.deployment.app.synth();
  }

  get stacks(): Stack[] {
    return this.deployment.app.node.children.filter(child => 'templateFile' in child) as Stack[];
  }

  template(stack: Stack): Template {
    const template = this.templates.get(stack) ?? Template.fromJSON(this.json(stack));
    this.templates.set(stack, template);
    return template;
  }

  /** What was written, not what the assertions would make of the tree once more. */
  json(stack: Stack): Json {
    return JSON.parse(this.text(stack)) as Json;
  }

  text(stack: Stack): string {
    return readFileSync(join(this.folder, stack.templateFile), 'utf8');
  }

  report(): Json {
    return JSON.parse(readFileSync(join(this.folder, 'validation-report.json'), 'utf8')) as Json;
  }
}

export function resources(template: Template, type: string): Json[] {
  return Object.values(template.findResources(type)) as Json[];
}

/** The only resource of a type. */
export function only(template: Template, type: string): Json {
  const found = resources(template, type);
  if (found.length !== 1) throw new Error(`${found.length} resources are ${type}`);
  return found[0] as Json;
}

export function container(template: Template): Json {
  return only(template, 'AWS::ECS::TaskDefinition').Properties.ContainerDefinitions[0] as Json;
}

/** The variables of a container; what is no text is `reference`. */
export function variables(template: Template): Record<string, string> {
  const list = container(template).Environment as { Name: string; Value: unknown }[];
  return Object.fromEntries(list.map(({ Name, Value }) => [Name, typeof Value === 'string' ? Value : 'reference']));
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Condition?: Json;
  readonly Principal?: unknown;
}

/** Every statement of every policy of a template, of roles, buckets, keys, endpoints. */
export function statements(template: Json): Statement[] {
  const found: Statement[] = [];
  const walk = (value: unknown) => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) {
      const object = value as Json;
      if (typeof object.Effect === 'string' && object.Action !== undefined) found.push(object as unknown as Statement);
      Object.values(object).forEach(walk);
    }
  };
  walk(template);
  return found;
}

export function actions(statement: Statement): string[] {
  return [statement.Action].flat();
}
