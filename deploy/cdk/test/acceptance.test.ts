// What has to hold before anybody deploys, as far as templates and the files beside them show it and no other test asks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { actions, container, EVERYTHING, type Json, only, resources, statements, synthesised, variables } from './support';

const all = synthesised(EVERYTHING);
const { deployment } = all;
const connect = all.template(deployment.connect);
const streams = all.template(deployment.streams);
const CDK = join(__dirname, '../..');
const read = (name: string) => readFileSync(join(CDK, name), 'utf8');

test('every version is exact', () => {
  const manifest = JSON.parse(read('package.json')) as Json;
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version as string, /^\d+\.\d+\.\d+$/, name);
  }
  for (const line of read('../requirements.txt').split('\n').filter(it => it && !it.startsWith('#'))) {
    // The machines that it is for may stand behind it.
    assert.match(line.replace(/; sys_platform == .*$/, ''), /^[A-Za-z0-9_.-]+==[A-Za-z0-9.]+$/);
  }
  const clis = [read('../README.md'), read('../pipeline/github-actions.yml')].flatMap(it => it.match(/aws-cdk@\S+/g) ?? []);
  assert.equal(new Set(clis).size, 1, clis.join());
  assert.match(clis[0] ?? '', /^aws-cdk@\d+\.\d+\.\d+$/);
});

test('each finding that is answered has its reason', () => {
  for (const file of ['.cfnlintrc.yaml', '.checkov.yaml']) {
    let reason = '';
    let answered = 0;
    for (const line of read(file).split('\n')) {
      if (line.startsWith('  #')) reason = line;
      else if (line.startsWith('  - ')) {
        assert.ok(reason.length > 20, `${file}: ${line} has no reason`);
        answered += 1;
      } else reason = '';
    }
    assert.ok(answered > 0, file);
  }
});

test('no password, key or token stands in a template: they are references, or generated where they are kept', () => {
  // Conditions about somebody's token have its service in their name.
  const secretive = /^[^:]*(password|secretstring|token|apikey|privatekey)[^:]*$/i;
  const walk = (value: unknown, path: string[]) => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value as Json)) if (key !== 'GenerateSecretString') walk(inner, [...path, key]);
    } else if (path.slice(-1).some(key => secretive.test(key))) {
      assert.ok(typeof value !== 'string' || value.startsWith('{{resolve:secretsmanager:'), path.join('/'));
    }
  };
  for (const stack of all.stacks) {
    walk(all.json(stack), [stack.stackName]);
    const text = all.text(stack);
    assert.ok(!/(AKIA|ASIA)[0-9A-Z]{16}/.test(text), stack.stackName);
    assert.ok(!/[a-z]+:\/\/[^/"\s:]+:[^/"\s@]+@/.test(text), `${stack.stackName}: somebody signs in within an address`);
    assert.ok(!/-----BEGIN/.test(text), stack.stackName);
  }
});

test('the one secret is read by the one task that needs it', () => {
  for (const stack of all.stacks) {
    for (const statement of statements(all.json(stack)).filter(it => actions(it).includes('secretsmanager:GetSecretValue'))) {
      if (statement.Effect !== 'Allow') continue;
      const resource = JSON.stringify(statement.Resource);
      assert.ok(stack === deployment.streams || stack === deployment.data, stack.stackName);
      assert.ok(!resource.includes('*'), resource);
    }
  }
});

test('the variable of the first connectors names the parameter that the same role may read, and no other', () => {
  const [id] = Object.keys(connect.findResources('AWS::SSM::Parameter'));
  assert.ok(id);
  const environment = container(connect).Environment as Json[];
  const { Value: value } = environment.find(it => it.Name === 'MILLSTREAM_BOOTSTRAP_CONNECTORS') ?? {};
  assert.deepEqual(value, { 'Fn::Join': ['', ['ssm:', { Ref: id }]] });
  const reads = statements(connect.toJSON()).filter(it => actions(it).includes('ssm:GetParameter'));
  assert.equal(reads.length, 1);
  const resource = JSON.stringify(reads[0]?.Resource);
  assert.ok(resource.includes(`{"Ref":"${id}"}`) && !resource.includes('*'), resource);
});

test('a task that ends frees its work within a minute, and has its two minutes to end', () => {
  const got = variables(connect);
  assert.equal(got.CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS, '60000');
  const grace = Number(got.CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS) / 1000;
  // What follows the grace: statuses, the group, the log.
  assert.ok(grace + 20 <= 110 && container(connect).StopTimeout === 120);
});

test('thirty images stay, and nothing else is thrown away unasked', () => {
  const cluster = all.template(deployment.cluster);
  const { LifecyclePolicy: policy } = only(cluster, 'AWS::ECR::Repository').Properties;
  const { rules } = JSON.parse(policy.LifecyclePolicyText) as Json;
  assert.deepEqual(rules.map((it: Json) => [it.selection.countType, it.selection.countNumber]), [['imageCountMoreThan', 30]]);
  const kept = [
    [deployment.data, 'AWS::DocDB::DBCluster'],
    [deployment.data, 'AWS::MSK::Cluster'],
    [deployment.data, 'AWS::SecretsManager::Secret'],
    [deployment.connect, 'AWS::S3::Bucket'],
  ] as const;
  for (const [stack, type] of kept) {
    for (const resource of resources(all.template(stack), type)) assert.equal(resource.DeletionPolicy, 'Retain', type);
  }
});

test('the address of the stream processor\'s task is no one\'s: it opens nothing to the network but what it asks', () => {
  for (const group of resources(streams, 'AWS::EC2::SecurityGroup')) assert.equal(group.Properties.SecurityGroupIngress, undefined);
  const open = resources(streams, 'AWS::EC2::SecurityGroup').flatMap(it => it.Properties.SecurityGroupEgress ?? []);
  assert.deepEqual(open.map((it: Json) => [it.CidrIp, it.FromPort, it.ToPort]), [['0.0.0.0/0', 443, 443]]);
});
