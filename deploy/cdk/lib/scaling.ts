// How a service grows and shrinks: CPU as in the workshop, and the backlog of each task. A task that waits for S3 or the database
// never reaches 70 % of a processor, so CPU alone would let the backlog grow.

import { Duration } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { MAX_TASKS } from './settings';

/** Each change costs the group a rebalance: up quickly, down slowly. */
const OUT_COOLDOWN = Duration.seconds(60);
const IN_COOLDOWN = Duration.seconds(300);

export interface Backlog {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Sum' | 'Maximum';
  /** Records that a task may have before it: the accepted delay times what a task does in a second. */
  readonly recordsPerTask: number;
}

export function scale(scope: Construct, service: ecs.FargateService, backlog: Backlog) {
  const tasks = service.autoScaleTaskCount({ minCapacity: 1, maxCapacity: MAX_TASKS });
  tasks.scaleOnCpuUtilization('Cpu', {
    targetUtilizationPercent: 70,
    scaleInCooldown: IN_COOLDOWN,
    scaleOutCooldown: OUT_COOLDOWN,
  });
  const target = tasks.node.findChild('Target') as scaling.ScalableTarget;
  const metric = (name: string, namespace: string, dimensions: Readonly<Record<string, string>>, stat: string) => ({
    metric: {
      metricName: name,
      namespace,
      dimensions: Object.entries(dimensions).map(([name, value]) => ({ name, value })),
    },
    stat,
  });
  // The library's own function takes no formula, the service does.
  new scaling.CfnScalingPolicy(scope, 'Backlog', {
    policyName: `${service.node.path.replaceAll('/', '-')}-backlog`,
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.scalableTargetId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: backlog.recordsPerTask,
      scaleInCooldown: IN_COOLDOWN.toSeconds(),
      scaleOutCooldown: OUT_COOLDOWN.toSeconds(),
      customizedMetricSpecification: {
        metrics: [
          {
            id: 'lag',
            label: 'records that wait',
            metricStat: metric(backlog.metricName, backlog.namespace, backlog.dimensions, backlog.statistic),
            returnData: false,
          },
          {
            id: 'tasks',
            label: 'tasks that run',
            metricStat: metric(
              'RunningTaskCount',
              'ECS/ContainerInsights',
              { ClusterName: service.cluster.clusterName, ServiceName: service.serviceName },
              'Average',
            ),
            returnData: false,
          },
          // Without a lag there is no value, and without a value nothing is scaled in.
          { id: 'backlog', label: 'records that wait for each task', expression: 'lag / FILL(tasks, 1)', returnData: true },
        ],
      },
    },
  });
}
