// The Connect workers: a bucket for the archive, the connector that fills it, and the REST API behind a load balancer.

import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { Cluster } from './cluster';
import { CONNECTOR, connector, connectEnvironment, GROUP, INTERNAL_TOPICS } from './connector';
import type { Data } from './data';
import { acknowledge, acknowledgeWildcard } from './findings';
import { discover, kafka } from './policies';
import { scale } from './scaling';
import { Service } from './service';
import type { Settings } from './settings';
import { CONNECT_CONTAINER, HEALTH_PORT, REST_PORT } from './task';

/** A minute at 5,000 records a second. */
const RECORDS_PER_TASK = 300_000;

export class Connect extends Stack {
  readonly bucket: s3.Bucket;
  readonly worker: Service;
  readonly balancer: elb.ApplicationLoadBalancer;
  readonly target: elb.ApplicationTargetGroup;

  constructor(scope: Construct, id: string, settings: Settings, cluster: Cluster, data: Data, props: StackProps) {
    super(scope, id, props);
    const logs = this.logBucket();
    this.bucket = this.archive(logs);
    const connectors = new ssm.StringParameter(this, 'Connectors', {
      parameterName: `/millstream/${settings.environment}/connectors`,
      description: 'connectors that the first worker creates',
      stringValue: this.toJsonString(connector(settings, this.bucket.bucketName, this.region)),
    });
    this.worker = new Service(this, 'Worker', {
      settings,
      repository: cluster.repository,
      cluster: cluster.cluster,
      data,
      container: CONNECT_CONTAINER,
      command: ['worker'],
      environment: {
        ...connectEnvironment(settings),
        NAMESPACE: data.namespace.namespaceName,
        MSK_SERVICE: data.kafkaService.serviceName,
        REGION: this.region,
        MILLSTREAM_BOOTSTRAP_CONNECTORS: `ssm:${connectors.parameterName}`,
      },
      ports: [REST_PORT, HEALTH_PORT],
      spot: settings.spot,
    });
    // A worker passes on to the leader what only that one may do.
    this.worker.group.connections.allowInternally(ec2.Port.tcp(REST_PORT), 'workers among themselves');
    this.allow(settings, data, connectors);
    [this.balancer, this.target] = this.api(settings, cluster.cluster.vpc, logs);
    scale(this, this.worker.service, {
      // Position lag, as the workers tell it: committed offsets trail by up to a whole file.
      namespace: 'Millstream',
      metricName: 'PositionLag',
      dimensions: { Cluster: GROUP, Connector: CONNECTOR },
      statistic: 'Sum',
      recordsPerTask: RECORDS_PER_TASK,
    });
    new CfnOutput(this, 'KafkaConnectBucketName', { value: this.bucket.bucketName });
    new CfnOutput(this, 'KafkaConnectAlbDns', { value: this.balancer.loadBalancerDnsName });
  }

  private logBucket(): s3.Bucket {
    const logs = new s3.Bucket(this, 'AccessLogs', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ expiration: Duration.days(90) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(logs, 'S1', 'it is where access logs go; one of its own would be written for each line that is written');
    return logs;
  }

  private archive(logs: s3.Bucket): s3.Bucket {
    return new s3.Bucket(this, 'Archive', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned: true,
      serverAccessLogsBucket: logs,
      serverAccessLogsPrefix: 'archive/',
      lifecycleRules: [
        { abortIncompleteMultipartUploadAfter: Duration.days(7) },
        // A replay writes the same object again.
        { noncurrentVersionExpiration: Duration.days(7) },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  private allow(settings: Settings, data: Data, connectors: ssm.StringParameter) {
    const role = this.worker.task.definition.taskRole;
    for (const statement of discover(data)) role.addToPrincipalPolicy(statement);
    if (settings.kafkaAccess === 'iam') {
      const use = {
        reads: [settings.topic],
        owns: Object.values(INTERNAL_TOPICS),
        // A sink's consumer group is named after its connector.
        groups: [GROUP, 'connect-*'],
      };
      for (const statement of kafka(data, use)) role.addToPrincipalPolicy(statement);
      const reason = 'the group of a sink is named after its connector, which people choose';
      acknowledgeWildcard(this.worker.task.definition, 'Resource', data.kafkaArn('group', 'connect-*'), reason);
    }
    const objects = this.bucket.arnForObjects('topics/*');
    acknowledgeWildcard(this.worker.task.definition, 'Resource', objects, 'objects are named after their records, all of them below one prefix');
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({
        actions: ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
        resources: [objects],
      }),
    );
    role.addToPrincipalPolicy(
      // ListBucket is what HeadBucket asks for, by which a connector's bucket is checked.
      new iam.PolicyStatement({
        actions: ['s3:ListBucket', 's3:ListBucketMultipartUploads'],
        resources: [this.bucket.bucketArn],
      }),
    );
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({ actions: ['ssm:GetParameter'], resources: [connectors.parameterArn] }),
    );
  }

  private api(settings: Settings, vpc: ec2.IVpc, logs: s3.Bucket): [elb.ApplicationLoadBalancer, elb.ApplicationTargetGroup] {
    const group = new ec2.SecurityGroup(this, 'ApiGroup', { vpc, description: 'load balancer of the REST API', allowAllOutbound: false });
    acknowledge(group, 'EC23', 'the range is that of the network, or what restClients says: a reference into which the rule cannot look');
    const balancer = new elb.ApplicationLoadBalancer(this, 'Api', {
      vpc,
      internetFacing: false,
      dropInvalidHeaderFields: true,
      deletionProtection: true,
      securityGroup: group,
    });
    balancer.logAccessLogs(logs, 'alb');
    const certificates = settings.certificateArn ? [elb.ListenerCertificate.fromArn(settings.certificateArn)] : undefined;
    const listener = balancer.addListener('Rest', {
      port: REST_PORT,
      protocol: certificates ? elb.ApplicationProtocol.HTTPS : elb.ApplicationProtocol.HTTP,
      certificates,
      sslPolicy: certificates ? elb.SslPolicy.RECOMMENDED_TLS : undefined,
      // Else the library opens it to everybody, on an internal load balancer, too.
      open: false,
    });
    listener.connections.allowFrom(
      ec2.Peer.ipv4(settings.restClients ?? vpc.vpcCidrBlock),
      ec2.Port.tcp(REST_PORT),
      'who may use the REST API',
    );
    const target = listener.addTargets('Workers', {
      port: REST_PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targets: [this.worker.service.loadBalancerTarget({ containerName: CONNECT_CONTAINER, containerPort: REST_PORT })],
      // Two looks fifteen seconds apart: a task is in use half a minute after it is ready.
      healthCheck: {
        path: '/ready',
        port: String(HEALTH_PORT),
        interval: Duration.seconds(15),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
        healthyHttpCodes: '200',
      },
      // Below the grace that tasks have for their stop.
      deregistrationDelay: Duration.seconds(30),
    });
    // addTargets opens the port of the API alone; unseen by its health check each task would be replaced for ever.
    this.worker.service.connections.allowFrom(balancer, ec2.Port.tcp(HEALTH_PORT), 'health check');
    return [balancer, target];
  }
}
