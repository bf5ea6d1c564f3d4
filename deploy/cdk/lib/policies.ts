// What task roles may do, a function for each thing.

import * as iam from 'aws-cdk-lib/aws-iam';
import type { Data } from './data';

/** Finding the brokers and the database by name. */
export function discover(data: Data): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      actions: ['servicediscovery:DiscoverInstances', 'servicediscovery:DiscoverInstancesRevision'],
      // These two have no resources; the condition is what limits them.
      resources: ['*'],
      conditions: { StringEquals: { 'servicediscovery:NamespaceName': data.namespace.namespaceName } },
    }),
    new iam.PolicyStatement({ actions: ['kafka:GetBootstrapBrokers'], resources: [data.kafka.attrArn] }),
  ];
}

export interface KafkaUse {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  /** Topics that it makes and whose settings it reads and mends. */
  readonly owns?: readonly string[];
  readonly groups?: readonly string[];
}

/** What the cluster lets a role do where roles decide about it. */
export function kafka(data: Data, use: KafkaUse): iam.PolicyStatement[] {
  const topics = (names: readonly string[]) => names.map(name => data.kafkaArn('topic', name));
  const statements = [
    new iam.PolicyStatement({
      actions: ['kafka-cluster:Connect', 'kafka-cluster:DescribeCluster', 'kafka-cluster:WriteDataIdempotently'],
      resources: [data.kafka.attrArn],
    }),
  ];
  const add = (actions: string[], resources: string[]) => {
    if (resources.length > 0) statements.push(new iam.PolicyStatement({ actions, resources }));
  };
  add(['kafka-cluster:DescribeTopic', 'kafka-cluster:ReadData'], topics(use.reads ?? []));
  add(['kafka-cluster:DescribeTopic', 'kafka-cluster:WriteData'], topics(use.writes ?? []));
  add(
    [
      'kafka-cluster:CreateTopic',
      'kafka-cluster:DescribeTopic',
      'kafka-cluster:DescribeTopicDynamicConfiguration',
      'kafka-cluster:AlterTopicDynamicConfiguration',
      'kafka-cluster:ReadData',
      'kafka-cluster:WriteData',
    ],
    topics(use.owns ?? []),
  );
  add(
    ['kafka-cluster:AlterGroup', 'kafka-cluster:DescribeGroup'],
    (use.groups ?? []).map(name => data.kafkaArn('group', name)),
  );
  return statements;
}
