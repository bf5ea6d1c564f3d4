// A service of such tasks: deployments that go back by themselves, and no more of the network than it needs.

import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import type { Data } from './data';
import { acknowledgeWildcard } from './findings';
import { Task, type TaskProps } from './task';

export interface ServiceProps extends Omit<TaskProps, 'stays'> {
  readonly cluster: ecs.Cluster;
  readonly data: Data;
  readonly spot: boolean;
}

/** A security group for tasks that find and reach the brokers; nothing else but AWS's APIs is open. */
export function taskGroup(scope: Construct, vpc: ec2.IVpc, data: Data, description: string): ec2.SecurityGroup {
  const group = new ec2.SecurityGroup(scope, 'Group', { vpc, description, allowAllOutbound: false });
  group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'AWS APIs, and S3');
  group.connections.allowTo(data.brokers, ec2.Port.tcp(data.kafkaPort), 'Kafka');
  return group;
}

export class Service extends Construct {
  readonly task: Task;
  readonly service: ecs.FargateService;
  readonly group: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, props: ServiceProps) {
    super(scope, id);
    this.task = new Task(this, 'Task', { ...props, stays: true });
    this.group = taskGroup(this, props.cluster.vpc, props.data, props.container);
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: props.cluster,
      taskDefinition: this.task.definition,
      desiredCount: 1,
      // The old task goes when the new one is healthy; a rolling deployment is two rebalances.
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      securityGroups: [this.group],
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      platformVersion: ecs.FargatePlatformVersion.VERSION1_4,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
      capacityProviderStrategies: props.spot
        ? [
            { capacityProvider: 'FARGATE', base: 1, weight: 0 },
            { capacityProvider: 'FARGATE_SPOT', weight: 1 },
          ]
        : [{ capacityProvider: 'FARGATE', weight: 1 }],
    });
    acknowledgeWildcard(
      this.task.definition,
      'Resource',
      '*',
      'DiscoverInstances and ecr:GetAuthorizationToken have no resources; the first is limited to one namespace by its condition',
    );
  }
}
