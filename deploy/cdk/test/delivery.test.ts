// Alarms, dashboard, pipeline, workflow's role, and the script that writes imagedefinitions.json.

import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EVERYTHING, only, resources, statements, synthesised } from './support';

const all = synthesised(EVERYTHING);
const { github, pipeline, observability } = all.deployment;
if (!github || !pipeline) throw new Error('both ways are switched on');
const DELIVERY = join(__dirname, '../../../pipeline');

test('each alarm tells somebody and names its chapter of the runbook', () => {
  const template = all.template(observability);
  const alarms = resources(template, 'AWS::CloudWatch::Alarm');
  assert.equal(alarms.length, observability.alarms.length);
  assert.ok(alarms.length >= 15);
  for (const { Properties: alarm } of alarms) {
    assert.equal(alarm.AlarmActions.length, 1);
    assert.match(alarm.AlarmDescription, /\. docs\/runbook\.md#[a-z0-9]+$/);
  }
  const silent = alarms.filter(it => it.Properties.TreatMissingData === 'breaching').map(it => it.Properties.AlarmName);
  assert.deepEqual(silent.sort(), ['millstream-prod-NoProcessor', 'millstream-prod-NoWorker']);
  template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'someone@example.com' });
});

test('the workflow signs in from one repository and one environment, without a key', () => {
  const template = all.template(github);
  const role = only(template, 'AWS::IAM::Role').Properties;
  const [trust] = role.AssumeRolePolicyDocument.Statement;
  assert.equal(trust.Action, 'sts:AssumeRoleWithWebIdentity');
  assert.deepEqual(trust.Condition, {
    StringEquals: {
      'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com',
      'token.actions.githubusercontent.com:sub': 'repo:someone/millstream:environment:prod',
    },
  });
  for (const stack of all.stacks) all.template(stack).resourceCountIs('AWS::IAM::AccessKey', 0);
});

test('the pipeline is V2, takes main, and deploys both services by a file of one entry each', () => {
  const template = all.template(pipeline);
  const { Properties: made } = only(template, 'AWS::CodePipeline::Pipeline');
  assert.equal(made.PipelineType, 'V2');
  assert.deepEqual(made.Stages.map((it: { Name: string }) => it.Name), ['Source', 'Build-Image', 'Deploy']);
  assert.equal(made.Stages[0].Actions[0].Configuration.BranchName, 'main');
  const files = made.Stages[2].Actions.map((it: { Configuration: { FileName: string } }) => it.Configuration.FileName);
  assert.deepEqual(files, ['stream/imagedefinitions.json', 'connect/imagedefinitions.json']);
  template.resourceCountIs('AWS::KMS::Key', 0);
});

test('the build states its size, has no key and reads four parameters', () => {
  const template = all.template(pipeline);
  template.hasResourceProperties('AWS::CodeBuild::Project', {
    Environment: Match.objectLike({ ComputeType: 'BUILD_GENERAL1_LARGE', Type: 'ARM_CONTAINER', PrivilegedMode: true }),
    Source: Match.objectLike({ BuildSpec: 'deploy/pipeline/buildspec.yml' }),
  });
  const read = statements(template.toJSON()).filter(it => [it.Action].flat().includes('ssm:GetParameter'));
  assert.equal(read.length, 1);
  assert.equal([read[0]?.Resource].flat().length, 4);
  const spec = readFileSync(join(DELIVERY, 'buildspec.yml'), 'utf8');
  for (const name of ['region', 'repo_uri', 'image_streamproc', 'image_s3sink']) assert.ok(spec.includes(`/${name}`), name);
});

function definitions(...args: string[]) {
  return spawnSync(join(DELIVERY, 'imagedefinitions'), args, { encoding: 'utf8' });
}

test('imagedefinitions.json names container and image', () => {
  const image = '111122223333.dkr.ecr.eu-west-1.amazonaws.com/millstream-prod:1a2b3c4';
  const one = definitions(`StreamProcContainer=${image}`);
  assert.equal(one.status, 0, one.stderr);
  assert.deepEqual(JSON.parse(one.stdout), [{ name: 'StreamProcContainer', imageUri: image }]);
  const digest = `r.example/m@sha256:${'a'.repeat(64)}`;
  const two = definitions(`A=${image}`, `B=${digest}`);
  assert.deepEqual(JSON.parse(two.stdout), [{ name: 'A', imageUri: image }, { name: 'B', imageUri: digest }]);
});

test('imagedefinitions refuses what would not be deployed, and writes nothing then', () => {
  for (const args of [[], ['StreamProcContainer'], ['=image:1'], ['A='], ['A"=image:1'], ['A=image 1'], ['A=image"x'], ['A=i:1', 'A=i:2'], ['A=i:1\n']]) {
    const refused = definitions(...args);
    assert.equal(refused.status, 2, JSON.stringify(args));
    assert.equal(refused.stdout, '', JSON.stringify(args));
    assert.match(refused.stderr, /imagedefinitions: /);
  }
});
