// The workshop's producer: a message every five minutes, by a task that is there for that message alone.

import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { EcsRunFargateTask } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import type { Cluster } from './cluster';
import type { Data } from './data';
import { acknowledgeWildcard } from './findings';
import { discover, kafka } from './policies';
import { taskGroup } from './service';
import type { Settings } from './settings';
import { PRODUCER_CONTAINER, Task } from './task';

export class Producer extends Stack {
  readonly task: Task;

  constructor(scope: Construct, id: string, settings: Settings, cluster: Cluster, data: Data, props: StackProps) {
    super(scope, id, props);
    this.task = new Task(this, 'Producer', {
      settings,
      repository: cluster.repository,
      container: PRODUCER_CONTAINER,
      // One message, at once; the schedule is what repeats it.
      command: ['produce', '--every', '5m', '--records', '1'],
      environment: {
        NAMESPACE: data.namespace.namespaceName,
        MSK_SERVICE: data.kafkaService.serviceName,
        TOPIC_NAME: settings.topic,
        REGION: this.region,
      },
      stays: false,
    });
    const role = this.task.definition.taskRole;
    for (const statement of discover(data)) role.addToPrincipalPolicy(statement);
    if (settings.kafkaAccess === 'iam') {
      for (const statement of kafka(data, { writes: [settings.topic] })) role.addToPrincipalPolicy(statement);
    }
    acknowledgeWildcard(
      this.task.definition,
      'Resource',
      '*',
      'DiscoverInstances and ecr:GetAuthorizationToken have no resources; the first is limited to one namespace by its condition',
    );
    new Schedule(this, 'Schedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(5)),
      target: new EcsRunFargateTask(cluster.cluster, {
        taskDefinition: this.task.definition,
        securityGroups: [taskGroup(this, cluster.cluster.vpc, data, 'producer')],
        vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
        platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
        // The next one is five minutes away.
        retryAttempts: 1,
        maxEventAge: Duration.minutes(5),
      }),
    });
  }
}
