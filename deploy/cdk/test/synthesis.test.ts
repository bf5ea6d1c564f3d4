// What holds for all templates together.

import { App, Annotations as Notes, CfnResource, Stack } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { deployment } from '../lib/app';
import { FLAGS } from '../lib/flags';
import { actions, EVERYTHING, resources, statements, synthesised } from './support';

const all = synthesised(EVERYTHING);
const plain = synthesised();

test('the report of the rule sets is empty, warnings included', () => {
  for (const synthesised of [all, plain]) assert.deepEqual(synthesised.report().pluginReports, []);
});

test('the library warns of nothing, not even silently', () => {
  for (const stack of all.stacks) {
    const warnings = Annotations.fromStack(stack).findWarning('*', Match.anyValue());
    assert.deepEqual(warnings.map(it => it.entry.data), [], stack.stackName);
    assert.deepEqual(Annotations.fromStack(stack).findError('*', Match.anyValue()), [], stack.stackName);
  }
});

// Were the flags of another version no longer what they were, nothing else would show it: both would end with 0.
test('with the flags, an error of the library and an unknown property end a synthesis', () => {
  const app = (break_: (stack: Stack) => void) => {
    const app = new App({ context: { ...FLAGS }, outdir: mkdtempSync(join(tmpdir(), 'millstream-cdk-')) });
    break_(new Stack(app, 'Broken'));
    return app;
  };
  const printed = console.error;
  const code = process.exitCode;
  try {
    console.error = () => {};
    assert.throws(() => app(stack => Notes.of(stack).addError('wrong')).synth(), /Validation failed/);
    assert.throws(
      () => app(stack => new CfnResource(stack, 'Bucket', { type: 'AWS::S3::Bucket', properties: { NoSuchProperty: 1 } })).synth(),
      /Validation failed/,
    );
  } finally {
    console.error = printed;
    process.exitCode = code;
  }
});

test('no zone is made up', () => {
  for (const stack of all.stacks) assert.ok(!all.text(stack).includes('dummy1'), stack.stackName);
  const located = synthesised({ account: '111122223333', zones: 'eu-west-1a,eu-west-1b,eu-west-1c' });
  for (const stack of located.stacks) assert.ok(!located.text(stack).includes('dummy1'), stack.stackName);
});

test('no policy allows everything of a service, and everywhere only what has no resources', () => {
  const everywhere = new Set<string>();
  for (const stack of all.stacks) {
    for (const statement of statements(all.json(stack)).filter(it => it.Effect === 'Allow')) {
      for (const action of actions(statement)) {
        assert.ok(action !== '*' && !action.endsWith(':*'), `${stack.stackName}: ${action}`);
        if ([statement.Resource].flat().includes('*')) everywhere.add(action);
      }
    }
  }
  assert.deepEqual([...everywhere].sort(), [
    'ecr:GetAuthorizationToken',
    // The deploy action of the library: services and tasks have no names before they are there.
    'ecs:DescribeServices',
    'ecs:DescribeTaskDefinition',
    'ecs:DescribeTasks',
    'ecs:ListTasks',
    'ecs:RegisterTaskDefinition',
    'ecs:TagResource',
    'ecs:UpdateService',
    'iam:PassRole',
    'servicediscovery:DiscoverInstances',
    'servicediscovery:DiscoverInstancesRevision',
  ]);
});

test('what may be done everywhere is conditioned', () => {
  for (const stack of all.stacks) {
    for (const statement of statements(all.json(stack))) {
      if (actions(statement).some(it => it.startsWith('servicediscovery:Discover'))) {
        assert.ok(statement.Condition?.StringEquals?.['servicediscovery:NamespaceName'], stack.stackName);
      }
      if (actions(statement).includes('iam:PassRole') && [statement.Resource].flat().includes('*')) {
        assert.ok(statement.Condition, stack.stackName);
      }
    }
  }
});

test('logs are not kept for ever, and containers do not wait for them', () => {
  for (const stack of all.stacks) {
    const template = all.template(stack);
    for (const group of resources(template, 'AWS::Logs::LogGroup')) assert.equal(group.Properties.RetentionInDays, 30);
    for (const definition of resources(template, 'AWS::ECS::TaskDefinition')) {
      for (const container of definition.Properties.ContainerDefinitions) {
        assert.equal(container.LogConfiguration.Options.mode, 'non-blocking');
        assert.equal(container.LogConfiguration.Options['max-buffer-size'], '26214400b');
      }
    }
  }
});

test('no function and no asset is needed, so a template is deployed as it is', () => {
  for (const stack of all.stacks) {
    assert.deepEqual(resources(all.template(stack), 'AWS::Lambda::Function'), [], stack.stackName);
    assert.ok(!all.text(stack).includes('cdk-hnb659fds-assets'), stack.stackName);
    assert.deepEqual(Object.keys(all.json(stack).Parameters ?? {}), [], stack.stackName);
  }
});

test('settings are refused together', () => {
  assert.throws(
    () => deployment({ partitions: 6, architecture: 'MIPS', zones: 'a,b', image: 'a b', environment: 'Prod', connectionArn: 'arn', kafkaAcess: 'tls' }),
    (error: Error) => {
      for (const name of ['partitions', 'architecture', 'zones', 'image', 'environment', 'sourceRepository', 'kafkaAcess']) {
        assert.match(error.message, new RegExp(`^  ${name} `, 'm'));
      }
      return true;
    },
  );
});
