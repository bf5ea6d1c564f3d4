// Alarms, each with a chapter in docs/runbook.md, and a dashboard that shows what they look at.

import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Cluster } from './cluster';
import type { Connect } from './connect';
import { CONNECTOR, GROUP } from './connector';
import type { Data } from './data';
import type { Settings } from './settings';
import type { Streams } from './streams';

const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cw.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cw.TreatMissingData;

export interface Observed {
  readonly settings: Settings;
  readonly data: Data;
  readonly cluster: Cluster;
  readonly streams: Streams;
  readonly connect: Connect;
}

interface Watch {
  readonly name: string;
  readonly says: string;
  readonly metric: cw.IMetric;
  readonly threshold: number;
  /** Minutes for which it has to hold. */
  readonly minutes: number;
  readonly below?: boolean;
  /** Silence is an alarm, too. */
  readonly silent?: boolean;
}

const MINUTE = Duration.minutes(1);

export class Observability extends Stack {
  readonly topic: sns.Topic;
  readonly alarms: string[] = [];

  constructor(scope: Construct, id: string, observed: Observed, props: StackProps) {
    super(scope, id, props);
    const { settings } = observed;
    this.topic = new sns.Topic(this, 'Alarms', { displayName: `millstream ${settings.environment}`, enforceSSL: true });
    if (settings.alarmEmail) this.topic.addSubscription(new EmailSubscription(settings.alarmEmail));
    const metrics = this.metrics(observed);
    for (const watch of watches(metrics)) this.watch(settings, watch);
    this.dashboard(settings, metrics);
  }

  private metrics({ settings, data, cluster, streams, connect }: Observed) {
    const of = (namespace: string, metricName: string, dimensionsMap: Record<string, string>, statistic = 'Maximum') =>
      new cw.Metric({ namespace, metricName, dimensionsMap, statistic, period: MINUTE });
    const running = (service: ecs.FargateService) =>
      of('ECS/ContainerInsights', 'RunningTaskCount', { ClusterName: cluster.cluster.clusterName, ServiceName: service.serviceName });
    const group = { 'Cluster Name': data.kafkaName, 'Consumer Group': streams.group, Topic: settings.topic };
    const kafka = { 'Cluster Name': data.kafkaName };
    const worker = (name: string, statistic?: string) => of('Millstream', name, { Cluster: GROUP }, statistic);
    const sink = (name: string, statistic?: string) => of('Millstream', name, { Cluster: GROUP, Connector: CONNECTOR }, statistic);
    const [processor, workers] = [streams.processor.service, connect.worker.service];
    return {
      failed: worker('FailedTasks', 'Sum'),
      degraded: worker('DegradedTasks', 'Sum'),
      rebalances: worker('Rebalances', 'Sum'),
      sinkLag: sink('PositionLag', 'Sum'),
      stalled: sink('StalledTime'),
      rejected: sink('RecordsRejected', 'Sum'),
      stored: sink('RecordsStored', 'Sum'),
      // The stream processor is a worker of its own, with one connector.
      streamStalled: of('Millstream', 'StalledTime', { Cluster: 'standalone', Connector: 'stream' }),
      objects: sink('ObjectsStored', 'Sum'),
      upload: sink('UploadTime', 'Average'),
      streamLag: of('AWS/Kafka', 'SumOffsetLag', group),
      streamDelay: of('AWS/Kafka', 'EstimatedMaxTimeLag', group),
      offline: of('AWS/Kafka', 'OfflinePartitionsCount', kafka),
      brokerDisk: [1, 2, 3].map(id => of('AWS/Kafka', 'KafkaDataLogsDiskUsed', { ...kafka, 'Broker ID': String(id) })),
      databaseCpu: of('AWS/DocDB', 'CPUUtilization', { DBClusterIdentifier: data.database.clusterIdentifier }),
      databaseLag: of('AWS/DocDB', 'DBClusterReplicaLagMaximum', { DBClusterIdentifier: data.database.clusterIdentifier }),
      processors: running(processor),
      workers: running(workers),
      processorMemory: processor.metricMemoryUtilization({ period: MINUTE, statistic: 'Maximum' }),
      workerMemory: workers.metricMemoryUtilization({ period: MINUTE, statistic: 'Maximum' }),
      processorCpu: processor.metricCpuUtilization({ period: MINUTE }),
      workerCpu: workers.metricCpuUtilization({ period: MINUTE }),
      unhealthy: connect.target.metrics.unhealthyHostCount({ period: MINUTE, statistic: 'Maximum' }),
      serverErrors: connect.target.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { period: MINUTE, statistic: 'Sum' }),
      processorErrors: this.errors('ProcessorErrors', settings, streams.processor.task.log),
      workerErrors: this.errors('WorkerErrors', settings, connect.worker.task.log),
    };
  }

  /** Lines of the log that ask for somebody. */
  private errors(name: string, settings: Settings, logGroup: logs.ILogGroup): cw.Metric {
    const filter = new MetricFilter(this, `${name}Filter`, {
      logGroup,
      filterPattern: FilterPattern.stringValue('$.level', '=', 'ERROR'),
      metricNamespace: `Millstream/${settings.environment}`,
      metricName: name,
    });
    return filter.metric({ statistic: 'Sum', period: MINUTE });
  }

  private watch(settings: Settings, watch: Watch) {
    const alarm = new cw.Alarm(this, watch.name, {
      alarmName: `millstream-${settings.environment}-${watch.name}`,
      alarmDescription: `${watch.says}. docs/runbook.md#${watch.name.toLowerCase()}`,
      metric: watch.metric,
      threshold: watch.threshold,
      evaluationPeriods: watch.minutes,
      comparisonOperator: watch.below ? LESS_THAN_THRESHOLD : GREATER_THAN_THRESHOLD,
      treatMissingData: watch.silent ? BREACHING : NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.alarms.push(watch.name);
  }

  private dashboard(settings: Settings, m: Metrics) {
    const graph = (title: string, ...left: cw.IMetric[]) => new cw.GraphWidget({ title, left, width: 8, height: 6 });
    new cw.Dashboard(this, 'Dashboard', {
      dashboardName: `millstream-${settings.environment}`,
      defaultInterval: Duration.hours(6),
      widgets: [
        [
          graph('Connect: tasks failed, degraded', m.failed, m.degraded),
          graph('Connect: records that wait', m.sinkLag),
          graph('Connect: records stored, rejected', m.stored, m.rejected),
        ],
        [
          graph('Connect: objects stored', m.objects),
          graph('Connect: time of an upload (ms)', m.upload),
          graph('Connect: rebalances, longest standstill (s)', m.rebalances, m.stalled),
        ],
        [
          graph('Stream processor: records that wait', m.streamLag),
          graph('Stream processor: delay (s)', m.streamDelay),
          graph('Errors in the logs', m.processorErrors, m.workerErrors),
        ],
        [
          graph('Tasks that run', m.processors, m.workers),
          graph('CPU (%)', m.processorCpu, m.workerCpu),
          graph('Memory (%)', m.processorMemory, m.workerMemory),
        ],
        [
          graph('Brokers: disk (%), partitions offline', ...m.brokerDisk, m.offline),
          graph('Document store: CPU (%), replica lag (ms)', m.databaseCpu, m.databaseLag),
          graph('REST API: unhealthy workers, errors', m.unhealthy, m.serverErrors),
        ],
      ],
    });
  }
}

type Metrics = ReturnType<Observability['metrics']>;

function watches(m: Metrics): Watch[] {
  return [
    { name: 'TaskFailed', says: 'A connector or task has failed and waits for somebody', metric: m.failed, threshold: 0, minutes: 5 },
    { name: 'TaskDegraded', says: 'A server that a task needs is away; the task goes on trying', metric: m.degraded, threshold: 0, minutes: 15 },
    { name: 'TaskStalled', says: 'A task has records to read and does not get on', metric: m.stalled, threshold: 300, minutes: 5 },
    { name: 'ArchiveLag', says: 'The archive falls behind even with the most tasks', metric: m.sinkLag, threshold: 3_000_000, minutes: 30 },
    { name: 'RecordsRejected', says: 'Records could not be converted or stored', metric: m.rejected, threshold: 0, minutes: 1 },
    { name: 'StreamDelay', says: 'The stream processor is more than five minutes behind', metric: m.streamDelay, threshold: 300, minutes: 15 },
    { name: 'StreamStalled', says: 'The stream processor has records to read and does not get on', metric: m.streamStalled, threshold: 300, minutes: 5 },
    { name: 'NoProcessor', says: 'No stream processor runs', metric: m.processors, threshold: 1, minutes: 5, below: true, silent: true },
    { name: 'NoWorker', says: 'No Connect worker runs', metric: m.workers, threshold: 1, minutes: 5, below: true, silent: true },
    { name: 'ProcessorMemory', says: 'The stream processor is near its memory', metric: m.processorMemory, threshold: 90, minutes: 10 },
    { name: 'WorkerMemory', says: 'A Connect worker is near its memory', metric: m.workerMemory, threshold: 90, minutes: 10 },
    { name: 'WorkersUnhealthy', says: 'The load balancer sees a worker that is not ready', metric: m.unhealthy, threshold: 0, minutes: 10 },
    { name: 'RestErrors', says: 'The REST API answers with errors of its own', metric: m.serverErrors, threshold: 10, minutes: 5 },
    { name: 'ProcessorErrors', says: 'The stream processor logs errors', metric: m.processorErrors, threshold: 0, minutes: 1 },
    { name: 'WorkerErrors', says: 'A Connect worker logs errors', metric: m.workerErrors, threshold: 0, minutes: 1 },
    { name: 'PartitionsOffline', says: 'Partitions have no leader', metric: m.offline, threshold: 0, minutes: 5 },
    ...m.brokerDisk.map((metric, index) => ({
      name: `BrokerDisk${index + 1}`,
      says: `The disk of broker ${index + 1} fills up`,
      metric,
      threshold: 80,
      minutes: 15,
    })),
    { name: 'DatabaseCpu', says: 'The document store is the bound', metric: m.databaseCpu, threshold: 85, minutes: 15 },
  ];
}
