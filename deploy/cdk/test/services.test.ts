// Both services and the producer.

import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workshopEnvironment } from '../lib/connector';
import { actions, container, EVERYTHING, type Json, only, resources, statements, synthesised, variables } from './support';

const all = synthesised(EVERYTHING);
const { deployment } = all;
if (!deployment.producer) throw new Error('there is a producer');
const connect = all.template(deployment.connect);
const streams = all.template(deployment.streams);
const producer = all.template(deployment.producer);

test('a task is small, ARM64, read-only, nobody, and stops in two minutes', () => {
  for (const template of [connect, streams, producer]) {
    const definition = only(template, 'AWS::ECS::TaskDefinition').Properties;
    assert.deepEqual([definition.Cpu, definition.Memory], ['256', '512']);
    assert.deepEqual(definition.RuntimePlatform, { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' });
    const it = container(template);
    assert.equal(it.ReadonlyRootFilesystem, true);
    assert.equal(it.User, '65532:65532');
    assert.deepEqual(it.MountPoints, [{ ContainerPath: '/tmp', ReadOnly: false, SourceVolume: 'tmp' }]);
    assert.deepEqual(it.Ulimits, [{ Name: 'nofile', SoftLimit: 65536, HardLimit: 65536 }]);
    assert.equal(it.Secrets, undefined, 'a secret in the environment would outlive its rotation');
    assert.match(JSON.stringify(it.Image), /@sha256:0{64}/);
  }
  for (const template of [connect, streams]) assert.equal(container(template).StopTimeout, 120);
});

test('the health command is the binary, without a shell', () => {
  for (const template of [connect, streams]) {
    const { Command } = container(template).HealthCheck;
    assert.deepEqual(Command, ['CMD', '/millstream', 'healthcheck', '--once']);
  }
  for (const stack of all.stacks) assert.ok(!all.text(stack).includes('CMD-SHELL'), stack.stackName);
});

test('the stream processor gets the workshop\'s variables', () => {
  const { LOG_FORMAT, GROUP_ID, METRICS_EMF, ...rest } = variables(streams);
  assert.deepEqual([LOG_FORMAT, GROUP_ID, METRICS_EMF], ['json', 'millstream-MyTopic', 'true']);
  assert.deepEqual(Object.keys(rest).sort(), ['DDB_SERVICE', 'MSK_SERVICE', 'NAMESPACE', 'REGION', 'TOPIC_NAME']);
  assert.equal(rest.TOPIC_NAME, 'MyTopic');
  assert.equal(container(streams).Name, 'StreamProcContainer');
});

test('the workers get the workshop\'s variables byte for byte where its access is chosen', () => {
  const workshop = synthesised({ kafkaAccess: 'tls', offsetReset: 'latest' });
  const got = variables(workshop.template(workshop.deployment.connect));
  for (const [name, value] of Object.entries(workshopEnvironment())) assert.equal(got[name], value, name);
  assert.equal(Object.keys(workshopEnvironment()).length, 18);
  const more = Object.keys(got).filter(name => !(name in workshopEnvironment()));
  assert.deepEqual(more.sort(), [
    'CONNECT_MILLSTREAM_METRICS_EMF',
    'CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS',
    'CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS',
    'LOG_FORMAT',
    'MILLSTREAM_BOOTSTRAP_CONNECTORS',
    'MSK_SERVICE',
    'NAMESPACE',
    'REGION',
  ]);
});

test('by default roles sign in, and the archive begins at the beginning', () => {
  const got = variables(connect);
  for (const client of ['', 'CONSUMER_', 'PRODUCER_']) {
    assert.equal(got[`CONNECT_${client}SECURITY_PROTOCOL`], 'SASL_SSL');
    assert.equal(got[`CONNECT_${client}SASL_MECHANISM`], 'AWS_MSK_IAM');
  }
  assert.equal(got.CONNECT_CONSUMER_AUTO_OFFSET_RESET, 'earliest');
  assert.equal(container(connect).Name, 'KafkaConnectContainer');
});

test('the connector is there from the first start, for every task that there may be', () => {
  const parameter = only(connect, 'AWS::SSM::Parameter').Properties;
  assert.equal(parameter.Name, '/millstream/prod/connectors');
  const text = parameter.Value['Fn::Join'][1].map((it: unknown) => (typeof it === 'string' ? it : 'bucket')).join('');
  const connector = JSON.parse(text) as Json;
  assert.equal(connector.config['connector.class'], 'io.confluent.connect.s3.S3SinkConnector');
  assert.equal(connector.config['s3.bucket.name'], 'bucket');
  assert.equal(connector.config['tasks.max'], '12');
  assert.ok(text.length < 3000, 'a parameter has 4 KiB, and the name of the bucket is still to come');
});

test('a service goes back by itself and never below what runs', () => {
  for (const template of [connect, streams]) {
    template.hasResourceProperties('AWS::ECS::Service', {
      DeploymentConfiguration: {
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      },
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } },
      EnableExecuteCommand: Match.absent(),
    });
  }
});

test('a grace before health counts is there with the load balancer alone: without one the service refuses it', () => {
  assert.equal(only(connect, 'AWS::ECS::Service').Properties.HealthCheckGracePeriodSeconds, 60);
  assert.equal(only(streams, 'AWS::ECS::Service').Properties.HealthCheckGracePeriodSeconds, undefined);
});

test('two policies scale up to ten, which is no more than partitions', () => {
  for (const template of [connect, streams]) {
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 1, MaxCapacity: 10 });
    const policies = resources(template, 'AWS::ApplicationAutoScaling::ScalingPolicy').map(
      it => it.Properties.TargetTrackingScalingPolicyConfiguration,
    );
    assert.equal(policies.length, 2);
    const cpu = policies.find(it => it.PredefinedMetricSpecification);
    assert.equal(cpu.PredefinedMetricSpecification.PredefinedMetricType, 'ECSServiceAverageCPUUtilization');
    assert.equal(cpu.TargetValue, 70);
    const backlog = policies.find(it => it.CustomizedMetricSpecification);
    const metrics = backlog.CustomizedMetricSpecification.Metrics as Json[];
    assert.deepEqual(metrics.map(it => [it.Id, it.ReturnData]), [['lag', false], ['tasks', false], ['backlog', true]]);
    assert.equal(metrics[2]?.Expression, 'lag / FILL(tasks, 1)');
    for (const policy of policies) {
      assert.deepEqual([policy.ScaleOutCooldown, policy.ScaleInCooldown], [60, 300]);
      assert.notEqual(policy.DisableScaleIn, true);
    }
  }
  const topic = only(all.template(deployment.data), 'AWS::MSK::Topic').Properties;
  assert.ok(topic.PartitionCount >= 10);
});

test('health port and API are open between balancer and workers, in both directions', () => {
  const ids = (type: string) => Object.entries(connect.findResources(type)) as [string, Json][];
  const groups = ids('AWS::EC2::SecurityGroup');
  const id = (description: string) => groups.find(([, it]) => it.Properties.GroupDescription === description)?.[0];
  const [balancer, workers] = [id('load balancer of the REST API'), id('KafkaConnectContainer')];
  assert.ok(balancer && workers);
  const rule = (it: Json, group: string, other: string) =>
    JSON.stringify(it.Properties.GroupId).includes(group) &&
    JSON.stringify(it.Properties.SourceSecurityGroupId ?? it.Properties.DestinationSecurityGroupId ?? '').includes(other);
  const ports = (type: string, group: string, other: string) =>
    ids(type).filter(([, it]) => rule(it, group, other)).map(([, it]) => [it.Properties.FromPort, it.Properties.ToPort].join('-')).sort();
  assert.deepEqual(ports('AWS::EC2::SecurityGroupIngress', workers, balancer), ['18083-18083', '8083-8083']);
  assert.deepEqual(ports('AWS::EC2::SecurityGroupEgress', balancer, workers), ['18083-18083', '8083-8083']);
  assert.deepEqual(ports('AWS::EC2::SecurityGroupIngress', workers, workers), ['8083-8083']);
  assert.deepEqual(ports('AWS::EC2::SecurityGroupEgress', workers, workers), ['8083-8083']);
});

test('the listener is not the internet\'s', () => {
  connect.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Scheme: 'internal' });
  connect.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 8083, Protocol: 'HTTP' });
  for (const group of resources(connect, 'AWS::EC2::SecurityGroup')) {
    for (const rule of group.Properties.SecurityGroupIngress ?? []) {
      assert.notEqual(rule.CidrIp, '0.0.0.0/0');
      assert.equal(rule.FromPort, 8083);
    }
  }
  const secure = synthesised({ certificateArn: 'arn:aws:acm:eu-west-1:111122223333:certificate/0a1b2c3d-0000-4000-8000-000000000000' });
  secure.template(secure.deployment.connect).hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
    Port: 8083,
    Protocol: 'HTTPS',
    SslPolicy: Match.stringLikeRegexp('TLS'),
  });
});

test('a task is in use within 45 s, and drained before it has to stop', () => {
  const target = only(connect, 'AWS::ElasticLoadBalancingV2::TargetGroup').Properties;
  assert.equal(target.HealthCheckPort, '18083');
  assert.equal(target.HealthCheckPath, '/ready');
  assert.ok(target.HealthCheckIntervalSeconds * target.HealthyThresholdCount < 45);
  assert.ok(target.HealthCheckTimeoutSeconds < target.HealthCheckIntervalSeconds);
  const delay = target.TargetGroupAttributes.find((it: Json) => it.Key === 'deregistration_delay.timeout_seconds');
  const grace = Number(variables(connect).CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS) / 1000;
  assert.ok(Number(delay.Value) < grace && grace < container(connect).StopTimeout);
});

test('the buckets are closed, encrypted, by TLS alone, and forget parts of uploads', () => {
  for (const bucket of resources(connect, 'AWS::S3::Bucket')) {
    const { PublicAccessBlockConfiguration: block, BucketEncryption: encryption } = bucket.Properties;
    assert.deepEqual(new Set(Object.values(block)), new Set([true]));
    assert.equal(encryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.SSEAlgorithm, 'AES256');
  }
  const policies = resources(connect, 'AWS::S3::BucketPolicy');
  assert.equal(policies.length, 2);
  for (const policy of policies) {
    const denied = statements(policy).filter(it => it.Effect === 'Deny');
    assert.ok(denied.some(it => it.Condition?.Bool?.['aws:SecureTransport'] === 'false'));
  }
  connect.hasResourceProperties('AWS::S3::Bucket', {
    LifecycleConfiguration: {
      Rules: Match.arrayWith([Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } })]),
    },
    LoggingConfiguration: Match.anyValue(),
    VersioningConfiguration: { Status: 'Enabled' },
  });
});

test('the outputs have the workshop\'s names', () => {
  connect.hasOutput('KafkaConnectBucketName', {});
  connect.hasOutput('KafkaConnectAlbDns', {});
});

const tasks = (template: typeof connect) => {
  const policies = Object.entries(template.findResources('AWS::IAM::Policy')) as [string, Json][];
  const [, role] = policies.find(([id]) => id.includes('TaskRole')) ?? [];
  return statements(role ?? {}).flatMap(actions).sort();
};

const DISCOVERY = ['kafka:GetBootstrapBrokers', 'servicediscovery:DiscoverInstances', 'servicediscovery:DiscoverInstancesRevision'];

test('each role may do what its task does', () => {
  assert.deepEqual(new Set(tasks(streams)), new Set([
    ...DISCOVERY,
    ...['AlterGroup', 'Connect', 'DescribeCluster', 'DescribeGroup', 'DescribeTopic', 'ReadData', 'WriteDataIdempotently'].map(it => `kafka-cluster:${it}`),
    'secretsmanager:DescribeSecret',
    'secretsmanager:GetSecretValue',
  ]));
  assert.deepEqual(new Set(tasks(connect)), new Set([
    ...DISCOVERY,
    ...['AlterGroup', 'AlterTopicDynamicConfiguration', 'Connect', 'CreateTopic', 'DescribeCluster', 'DescribeGroup', 'DescribeTopic',
      'DescribeTopicDynamicConfiguration', 'ReadData', 'WriteData', 'WriteDataIdempotently'].map(it => `kafka-cluster:${it}`),
    's3:AbortMultipartUpload',
    's3:ListBucket',
    's3:ListBucketMultipartUploads',
    's3:ListMultipartUploadParts',
    's3:PutObject',
    'ssm:GetParameter',
  ]));
  assert.deepEqual(new Set(tasks(producer)), new Set([
    ...DISCOVERY,
    ...['Connect', 'DescribeCluster', 'DescribeTopic', 'WriteData', 'WriteDataIdempotently'].map(it => `kafka-cluster:${it}`),
  ]));
});

test('topics and groups of a role are named', () => {
  const names = (template: typeof connect, kind: string) => {
    const found = new Set<string>();
    for (const statement of statements(template.toJSON())) {
      for (const resource of [statement.Resource].flat()) {
        const text = JSON.stringify(resource) ?? '';
        const match = new RegExp(`:${kind}/.*?"/([^"]*)"`).exec(text);
        if (match?.[1]) found.add(match[1]);
      }
    }
    return [...found].sort();
  };
  assert.deepEqual(names(streams, 'topic'), ['MyTopic']);
  assert.deepEqual(names(streams, 'group'), ['millstream-MyTopic']);
  assert.deepEqual(names(connect, 'topic'), ['MyTopic', 'kc_config', 'kc_offset', 'kc_status']);
  assert.deepEqual(names(connect, 'group'), ['KcS3SinkGroup', 'connect-*']);
  assert.deepEqual(names(producer, 'topic'), ['MyTopic']);
});

test('a message is sent every five minutes by a task, unless nobody wants it', () => {
  producer.hasResourceProperties('AWS::Scheduler::Schedule', { ScheduleExpression: 'rate(5 minutes)', State: 'ENABLED' });
  assert.deepEqual(container(producer).Command, ['produce', '--every', '5m', '--records', '1']);
  assert.equal(synthesised({ producer: 'false' }).deployment.producer, undefined);
});

test('spare capacity never takes the first task', () => {
  const strategy = only(connect, 'AWS::ECS::Service').Properties.CapacityProviderStrategy;
  assert.deepEqual(strategy, [
    { CapacityProvider: 'FARGATE', Base: 1, Weight: 0 },
    { CapacityProvider: 'FARGATE_SPOT', Weight: 1 },
  ]);
});
