// Where tasks run, and the image that they run.

import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { Settings } from './settings';
import { CONNECT_CONTAINER, STREAM_CONTAINER } from './task';

export class Cluster extends Stack {
  readonly repository: ecr.Repository;
  readonly cluster: ecs.Cluster;

  constructor(scope: Construct, id: string, settings: Settings, vpc: ec2.Vpc, props: StackProps) {
    super(scope, id, props);
    this.repository = new ecr.Repository(this, 'Repository', {
      repositoryName: `millstream-${settings.environment}`,
      imageTagMutability: ecr.TagMutability.IMMUTABLE,
      imageScanOnPush: true,
      lifecycleRules: [{ description: 'the last thirty images', maxImageCount: 30 }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: `millstream-${settings.environment}`,
      vpc,
      containerInsightsV2: ecs.ContainerInsights.ENHANCED,
      enableFargateCapacityProviders: true,
    });
    // What a pipeline reads, by the workshop's names below a prefix of our own: bare names would be the whole account's.
    const parameters = {
      region: this.region,
      repo_uri: this.repository.repositoryUri,
      image_streamproc: STREAM_CONTAINER,
      image_s3sink: CONNECT_CONTAINER,
    };
    for (const [name, value] of Object.entries(parameters)) {
      new ssm.StringParameter(this, `Parameter-${name}`, {
        parameterName: `/millstream/${settings.environment}/${name}`,
        stringValue: value,
      });
    }
  }
}
