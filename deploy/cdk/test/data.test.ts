// Network, Kafka, document store, names, image repository.

import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVERYTHING, only, resources, synthesised } from './support';

const all = synthesised(EVERYTHING);
const plain = synthesised();
const network = all.template(all.deployment.network);
const data = all.template(all.deployment.data);

test('six subnets in three zones, one way out, S3 beside it', () => {
  network.resourceCountIs('AWS::EC2::Subnet', 6);
  const zones = resources(network, 'AWS::EC2::Subnet').map(it => JSON.stringify(it.Properties.AvailabilityZone));
  assert.equal(new Set(zones).size, 3);
  network.resourceCountIs('AWS::EC2::NatGateway', 1);
  network.hasResourceProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
  network.resourceCountIs('AWS::EC2::FlowLog', 1);
  assert.equal(resources(network, 'AWS::EC2::VPCEndpoint').length, 6);
  plain.template(plain.deployment.network).resourceCountIs('AWS::EC2::VPCEndpoint', 1);
});

test('zones that are named are taken', () => {
  const named = synthesised({ zones: 'eu-west-1a,eu-west-1b,eu-west-1c' });
  const subnets = resources(named.template(named.deployment.network), 'AWS::EC2::Subnet');
  assert.deepEqual([...new Set(subnets.map(it => it.Properties.AvailabilityZone))].sort(), ['eu-west-1a', 'eu-west-1b', 'eu-west-1c']);
});

test('three brokers in three subnets, TLS, sign-in by roles alone', () => {
  data.hasResourceProperties('AWS::MSK::Cluster', {
    KafkaVersion: '3.9.x.kraft',
    NumberOfBrokerNodes: 3,
    BrokerNodeGroupInfo: { InstanceType: 'kafka.m7g.large', ClientSubnets: [Match.anyValue(), Match.anyValue(), Match.anyValue()] },
    ClientAuthentication: { Sasl: { Iam: { Enabled: true } }, Unauthenticated: { Enabled: false } },
    EncryptionInfo: { EncryptionInTransit: { ClientBroker: 'TLS', InCluster: true } },
    EnhancedMonitoring: 'PER_TOPIC_PER_BROKER',
    LoggingInfo: { BrokerLogs: { CloudWatchLogs: { Enabled: true } } },
  });
  data.hasResourceProperties('AWS::MSK::Topic', { TopicName: 'MyTopic', PartitionCount: 12, ReplicationFactor: 3 });
  assert.match(only(data, 'AWS::MSK::Configuration').Properties.ServerProperties, /^auto\.create\.topics\.enable=false$/m);
});

test('with kafkaAccess=tls, the cluster is the workshop\'s: no sign-in', () => {
  const tls = synthesised({ kafkaAccess: 'tls' });
  tls.template(tls.deployment.data).hasResourceProperties('AWS::MSK::Cluster', {
    ClientAuthentication: { Sasl: { Iam: { Enabled: false } }, Unauthenticated: { Enabled: true } },
  });
  for (const stack of tls.stacks) assert.ok(!tls.text(stack).includes('kafka-cluster:'), stack.stackName);
});

test('the document store has a version, two instances, a secret that is generated, rotates and stays', () => {
  data.hasResourceProperties('AWS::DocDB::DBCluster', {
    EngineVersion: '5.0.0',
    Port: 27017,
    StorageEncrypted: true,
    DeletionProtection: true,
    EnableCloudwatchLogsExports: ['audit', 'profiler'],
    MasterUsername: Match.objectLike({ 'Fn::Join': Match.anyValue() }),
    MasterUserPassword: Match.objectLike({ 'Fn::Join': Match.anyValue() }),
  });
  data.resourceCountIs('AWS::DocDB::DBInstance', 2);
  data.hasResource('AWS::DocDB::DBCluster', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  data.hasResource('AWS::SecretsManager::Secret', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  data.hasResource('AWS::SecretsManager::SecretTargetAttachment', { DeletionPolicy: 'Retain' });
  data.resourceCountIs('AWS::SecretsManager::RotationSchedule', 1);
});

test('what discovery tells is where and which secret, never a password', () => {
  const attributes = resources(data, 'AWS::ServiceDiscovery::Instance').map(it => it.Properties);
  const byId = Object.fromEntries(attributes.map(it => [it.InstanceId, Object.keys(it.InstanceAttributes).sort()]));
  assert.deepEqual(byId, {
    KafkaBrokerArn: ['broker_arn'],
    dbEndpoint: ['endpoint', 'port', 'secret_arn'],
    dbReadEndpoint: ['endpoint', 'port', 'secret_arn'],
  });
  for (const stack of all.stacks) assert.ok(!/DocDbPass|"password"\s*:/.test(all.text(stack)), stack.stackName);
});

test('nobody but tasks reaches the brokers and the database, on their own ports', () => {
  for (const group of resources(data, 'AWS::EC2::SecurityGroup')) {
    assert.equal(group.Properties.SecurityGroupIngress, undefined);
  }
  const ports = (stack: keyof typeof all.deployment) =>
    resources(all.template(all.deployment[stack] as never), 'AWS::EC2::SecurityGroupIngress').map(it => it.Properties.FromPort);
  assert.deepEqual(ports('streams').sort(), [27017, 9098]);
  assert.deepEqual(ports('producer'), [9098]);
  assert.ok(ports('connect').includes(9098) && !ports('connect').includes(27017));
});

test('one repository, tags that stay, thirty images, scanned', () => {
  const cluster = all.template(all.deployment.cluster);
  cluster.hasResourceProperties('AWS::ECR::Repository', {
    ImageTagMutability: 'IMMUTABLE',
    ImageScanningConfiguration: { ScanOnPush: true },
  });
  const names = resources(cluster, 'AWS::SSM::Parameter').map(it => it.Properties.Name);
  assert.deepEqual(names.sort(), ['image_s3sink', 'image_streamproc', 'region', 'repo_uri'].map(it => `/millstream/prod/${it}`));
  cluster.hasResourceProperties('AWS::ECS::Cluster', { ClusterSettings: [{ Name: 'containerInsights', Value: 'enhanced' }] });
});
