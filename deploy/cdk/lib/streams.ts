// The stream processor: hashes each record of the topic into the document store.

import { Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { Cluster } from './cluster';
import type { Data } from './data';
import { discover, kafka } from './policies';
import { scale } from './scaling';
import { Service } from './service';
import type { Settings } from './settings';
import { HEALTH_PORT, STREAM_CONTAINER } from './task';

/** Thirty seconds at 5,000 records a second. */
const RECORDS_PER_TASK = 150_000;

export class Streams extends Stack {
  readonly processor: Service;
  /** The consumer group, as the binary calls it for that topic. */
  readonly group: string;

  constructor(scope: Construct, id: string, settings: Settings, cluster: Cluster, data: Data, props: StackProps) {
    super(scope, id, props);
    this.group = `millstream-${settings.topic}`;
    this.processor = new Service(this, 'Processor', {
      settings,
      repository: cluster.repository,
      cluster: cluster.cluster,
      data,
      container: STREAM_CONTAINER,
      command: ['stream'],
      environment: {
        NAMESPACE: data.namespace.namespaceName,
        MSK_SERVICE: data.kafkaService.serviceName,
        DDB_SERVICE: data.databaseService.serviceName,
        TOPIC_NAME: settings.topic,
        REGION: this.region,
        GROUP_ID: this.group,
        // Standstill and rejected records reach CloudWatch through the log.
        METRICS_EMF: 'true',
      },
      ports: [HEALTH_PORT],
      spot: settings.spot,
    });
    this.processor.group.connections.allowTo(data.database, ec2.Port.tcp(data.databasePort), 'document store');
    const role = this.processor.task.definition.taskRole;
    for (const statement of discover(data)) role.addToPrincipalPolicy(statement);
    if (settings.kafkaAccess === 'iam') {
      const use = { reads: [settings.topic], groups: [this.group] };
      for (const statement of kafka(data, use)) role.addToPrincipalPolicy(statement);
    }
    // Read by the task and not put into its environment, where a rotation would not reach it.
    data.databaseSecret.grantRead(role);
    scale(this, this.processor.service, {
      namespace: 'AWS/Kafka',
      metricName: 'SumOffsetLag',
      dimensions: { 'Cluster Name': data.kafkaName, 'Consumer Group': this.group, Topic: settings.topic },
      statistic: 'Maximum',
      recordsPerTask: RECORDS_PER_TASK,
    });
  }
}
