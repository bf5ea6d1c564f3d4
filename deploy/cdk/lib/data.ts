// What keeps data: the Kafka cluster, the document store, and the names by which tasks find both.

import { CfnOutput, Duration, Fn, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as docdb from 'aws-cdk-lib/aws-docdb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as msk from 'aws-cdk-lib/aws-msk';
import type * as secrets from 'aws-cdk-lib/aws-secretsmanager';
import * as map from 'aws-cdk-lib/aws-servicediscovery';
import type { Construct } from 'constructs';
import { acknowledge } from './findings';
import type { Settings } from './settings';

const DATABASE_PORT = 27017;

export class Data extends Stack {
  readonly kafka: msk.CfnCluster;
  readonly kafkaName: string;
  readonly kafkaPort: number;
  private readonly pathExport: string;
  readonly brokers: ec2.SecurityGroup;
  readonly database: docdb.DatabaseCluster;
  readonly databasePort = DATABASE_PORT;
  readonly databaseSecret: secrets.ISecret;
  readonly namespace: map.HttpNamespace;
  readonly kafkaService: map.Service;
  readonly databaseService: map.Service;

  constructor(scope: Construct, id: string, settings: Settings, vpc: ec2.Vpc, props: StackProps) {
    super(scope, id, props);
    this.kafkaName = `millstream-${settings.environment}`;
    this.kafkaPort = settings.kafkaAccess === 'iam' ? 9098 : 9094;
    this.brokers = new ec2.SecurityGroup(this, 'Brokers', { vpc, description: 'Kafka brokers', allowAllOutbound: false });
    this.kafka = this.cluster(settings, vpc);
    // Name and id of the cluster, which are also in the ARNs of its topics and groups.
    this.pathExport = `${this.kafkaName}-kafka-path`;
    new CfnOutput(this, 'KafkaPath', {
      value: Fn.select(1, Fn.split(':cluster/', this.kafka.attrArn)),
      exportName: this.pathExport,
    });
    this.database = this.documents(settings, vpc);
    if (!this.database.secret) throw new Error('the database has no secret');
    this.databaseSecret = this.database.secret;
    this.namespace = new map.HttpNamespace(this, 'Namespace', { name: `millstream-${settings.environment}` });
    this.kafkaService = this.namespace.createService('KafkaSvc', { name: 'KafkaSvc' });
    this.databaseService = this.namespace.createService('DbSvc', { name: 'DbSvc' });
    this.register();
  }

  private cluster(settings: Settings, vpc: ec2.Vpc): msk.CfnCluster {
    const log = new logs.LogGroup(this, 'BrokerLog', {
      logGroupName: `/millstream/${settings.environment}/brokers`,
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const configuration = new msk.CfnConfiguration(this, 'BrokerSettings', {
      name: `millstream-${settings.environment}`,
      kafkaVersionsList: [settings.kafkaVersion],
      serverProperties: [
        'auto.create.topics.enable=false',
        'default.replication.factor=3',
        'min.insync.replicas=2',
        `num.partitions=${settings.partitions}`,
        'unclean.leader.election.enable=false',
      ].join('\n'),
    });
    const iam = settings.kafkaAccess === 'iam';
    const cluster = new msk.CfnCluster(this, 'Kafka', {
      clusterName: this.kafkaName,
      kafkaVersion: settings.kafkaVersion,
      // One in each zone, so that a topic with three replicas outlives the loss of one.
      numberOfBrokerNodes: 3,
      brokerNodeGroupInfo: {
        clientSubnets: vpc.privateSubnets.map(subnet => subnet.subnetId),
        instanceType: settings.brokerType,
        securityGroups: [this.brokers.securityGroupId],
        storageInfo: { ebsStorageInfo: { volumeSize: 100 } },
      },
      configurationInfo: { arn: configuration.attrArn, revision: configuration.attrLatestRevisionRevision },
      clientAuthentication: { sasl: { iam: { enabled: iam } }, unauthenticated: { enabled: !iam } },
      encryptionInfo: { encryptionInTransit: { clientBroker: 'TLS', inCluster: true } },
      // Lag of a group in a topic comes from here; the scaling of the stream processor goes by it.
      enhancedMonitoring: 'PER_TOPIC_PER_BROKER',
      loggingInfo: { brokerLogs: { cloudWatchLogs: { enabled: true, logGroup: log.logGroupName } } },
    });
    cluster.applyRemovalPolicy(RemovalPolicy.RETAIN);
    const topic = new msk.CfnTopic(this, 'Topic', {
      clusterArn: cluster.attrArn,
      topicName: settings.topic,
      partitionCount: settings.partitions,
      replicationFactor: 3,
    });
    topic.applyRemovalPolicy(RemovalPolicy.RETAIN);
    return cluster;
  }

  private documents(settings: Settings, vpc: ec2.Vpc): docdb.DatabaseCluster {
    const group = new ec2.SecurityGroup(this, 'Database', { vpc, description: 'document store', allowAllOutbound: false });
    const family = `docdb${settings.databaseVersion.split('.').slice(0, 2).join('.')}`;
    const database = new docdb.DatabaseCluster(this, 'Documents', {
      engineVersion: settings.databaseVersion,
      masterUser: { username: 'millstream', secretName: `millstream/${settings.environment}/database` },
      vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      securityGroup: group,
      port: DATABASE_PORT,
      instanceType: new ec2.InstanceType(settings.databaseClass),
      instances: 2,
      storageEncrypted: true,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
      backup: { retention: Duration.days(7) },
      parameterGroup: new docdb.ClusterParameterGroup(this, 'DatabaseSettings', {
        family,
        parameters: { tls: 'enabled', audit_logs: 'enabled', profiler: 'enabled' },
      }),
      exportAuditLogsToCloudWatch: true,
      exportProfilerLogsToCloudWatch: true,
      
    });
    database.addRotationSingleUser(Duration.days(30));
    // Cluster and instances outlive the stack; without its secret nobody could sign in to them.
    for (const part of database.node.findAll()) {
      if (part.node.id === 'Secret' || part.node.id === 'Attachment') {
        const resource = part.node.defaultChild;
        if (resource && 'applyRemovalPolicy' in resource) {
          (resource as { applyRemovalPolicy(policy: RemovalPolicy): void }).applyRemovalPolicy(RemovalPolicy.RETAIN);
        }
      }
    }
    acknowledge(database, 'DOC2', 'the port is part of the contract: tasks and tools expect 27017, and the security group lets tasks in alone');
    acknowledge(database, 'DOC3', 'the name of the first user is read from the secret, which the rule cannot see; it is not one that people guess');
    for (const event of ['authenticate', 'createIndex', 'dropCollection']) {
      acknowledge(database, `DOC5[LogExport::${event}]`, 'the exports of the service are audit and profiler, both are on; audit has these events');
    }
    return database;
  }

  /** Ids and attributes are those that tasks look for; a password is never among them, since whoever may discover would read it. */
  private register() {
    this.kafkaService.registerNonIpInstance('KafkaBrokerArn', {
      instanceId: 'KafkaBrokerArn',
      customAttributes: { broker_arn: this.kafka.attrArn },
    });
    const at = (endpoint: docdb.Endpoint) => ({
      endpoint: endpoint.hostname,
      port: String(DATABASE_PORT),
      secret_arn: this.databaseSecret.secretArn,
    });
    this.databaseService.registerNonIpInstance('dbEndpoint', {
      instanceId: 'dbEndpoint',
      customAttributes: at(this.database.clusterEndpoint),
    });
    this.databaseService.registerNonIpInstance('dbReadEndpoint', {
      instanceId: 'dbReadEndpoint',
      customAttributes: at(this.database.clusterReadEndpoint),
    });
  }

  /** ARN of a topic or group of the cluster, for other stacks; names may end in `*`. */
  kafkaArn(kind: 'topic' | 'group', name: string): string {
    return `arn:${this.partition}:kafka:${this.region}:${this.account}:${kind}/${Fn.importValue(this.pathExport)}/${name}`;
  }
}
