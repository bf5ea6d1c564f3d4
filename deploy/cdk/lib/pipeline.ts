// Two ways in which a commit becomes a deployment: a role for a workflow on GitHub, and a pipeline in the account. Neither has a
// key that lasts.

import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as build from 'aws-cdk-lib/aws-codebuild';
import * as pipeline from 'aws-cdk-lib/aws-codepipeline';
import * as actions from 'aws-cdk-lib/aws-codepipeline-actions';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct, IConstruct } from 'constructs';
import type { Cluster } from './cluster';
import type { Connect } from './connect';
import { acknowledge, acknowledgeWildcard } from './findings';
import type { Settings } from './settings';
import type { Streams } from './streams';

const GITHUB = 'token.actions.githubusercontent.com';

/** What pushes and deploys from a workflow: that repository in that environment alone. */
export class GithubRole extends Stack {
  constructor(scope: Construct, id: string, repository: string, settings: Settings, cluster: Cluster, props: StackProps) {
    super(scope, id, props);
    const provider = new iam.CfnOIDCProvider(this, 'Github', { url: `https://${GITHUB}`, clientIdList: ['sts.amazonaws.com'] });
    const role = new iam.Role(this, 'Deploy', {
      roleName: `millstream-${settings.environment}-deploy`,
      maxSessionDuration: Duration.hours(1),
      assumedBy: new iam.FederatedPrincipal(
        provider.attrArn,
        {
          StringEquals: {
            [`${GITHUB}:aud`]: 'sts.amazonaws.com',
            [`${GITHUB}:sub`]: `repo:${repository}:environment:${settings.environment}`,
          },
        },
        'sts:AssumeRoleWithWebIdentity',
      ),
    });
    cluster.repository.grantPullPush(role);
    // The roles that `cdk bootstrap` has made do the rest.
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['sts:AssumeRole'],
        resources: ['deploy', 'lookup', 'file-publishing'].map(
          name => `arn:${this.partition}:iam::${this.account}:role/cdk-hnb659fds-${name}-role-${this.account}-${this.region}`,
        ),
      }),
    );
    acknowledgeWildcard(role, 'Resource', '*', 'ecr:GetAuthorizationToken has no resources');
  }
}

export interface Delivered {
  readonly cluster: Cluster;
  readonly streams: Streams;
  readonly connect: Connect;
}

/** Source, image, and the two services' deployments by imagedefinitions.json, as in the workshop. */
export class Pipeline extends Stack {
  constructor(scope: Construct, id: string, settings: Settings, { cluster, streams, connect }: Delivered, props: StackProps) {
    super(scope, id, props);
    if (!settings.connectionArn || !settings.sourceRepository) throw new Error('a pipeline needs connectionArn and sourceRepository');
    const [owner = '', repo = ''] = settings.sourceRepository.split('/');
    const source = new pipeline.Artifact('Source');
    const image = new pipeline.Artifact('Image');
    const project = this.project(settings, cluster);
    const artifacts = this.artifacts();
    const delivery = new pipeline.Pipeline(this, 'Pipeline', {
      pipelineName: `millstream-${settings.environment}`,
      pipelineType: pipeline.PipelineType.V2,
      executionMode: pipeline.ExecutionMode.SUPERSEDED,
      crossAccountKeys: false,
      artifactBucket: artifacts,
      stages: [
        {
          stageName: 'Source',
          actions: [
            new actions.CodeStarConnectionsSourceAction({
              actionName: 'Source',
              connectionArn: settings.connectionArn,
              owner,
              repo,
              // The library's default is `master`.
              branch: settings.sourceBranch,
              output: source,
            }),
          ],
        },
        {
          stageName: 'Build-Image',
          actions: [new actions.CodeBuildAction({ actionName: 'Build', project, input: source, outputs: [image] })],
        },
        {
          stageName: 'Deploy',
          actions: [
            this.deploy('StreamProcessor', streams.processor.service, image.atPath('stream/imagedefinitions.json')),
            this.deploy('KafkaConnect', connect.worker.service, image.atPath('connect/imagedefinitions.json')),
          ],
        },
      ],
    });
    this.acknowledgeGrants([...delivery.node.findAll(), ...project.node.findAll()], artifacts);
    const build = `arn:${this.partition}:logs:${this.region}:${this.account}:log-group:/aws/codebuild/${project.projectName}:*`;
    acknowledgeWildcard(project, 'Resource', build, 'streams of a build are named after it; the library grants them although the log is elsewhere');
    const reports = `arn:${this.partition}:codebuild:${this.region}:${this.account}:report-group/${project.projectName}-*`;
    acknowledgeWildcard(project, 'Resource', reports, 'report groups of a project begin with its name');
  }

  /** What the library lets its roles do: short forms of actions, all of them below the one bucket. */
  private acknowledgeGrants(parts: readonly IConstruct[], artifacts: s3.Bucket) {
    for (const role of parts.filter(part => iam.Role.isRole(part))) {
      for (const action of ['Abort', 'DeleteObject', 'GetBucket', 'GetObject', 'List']) {
        acknowledgeWildcard(role, 'Action', `s3:${action}*`, 'granted for the bucket of artifacts alone');
      }
      acknowledgeWildcard(role, 'Resource', artifacts.arnForObjects('*'), 'artifacts are named by the pipeline');
      acknowledgeWildcard(role, 'Resource', '*', 'tasks and their definitions have no names before they are there; PassRole is conditioned on the service');
    }
  }

  private deploy(actionName: string, service: ecs.FargateService, imageFile: pipeline.ArtifactPath) {
    return new actions.EcsDeployAction({ actionName, service, imageFile, deploymentTimeout: Duration.minutes(20) });
  }

  private artifacts(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'Artifacts', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      lifecycleRules: [{ expiration: Duration.days(30) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(bucket, 'S1', 'artifacts of builds, gone after thirty days; the pipeline itself tells who has read them');
    return bucket;
  }

  private project(settings: Settings, cluster: Cluster): build.PipelineProject {
    const isArm = settings.architecture === 'ARM64';
    const project = new build.PipelineProject(this, 'Build', {
      projectName: `millstream-${settings.environment}`,
      buildSpec: build.BuildSpec.fromSourceFilename('deploy/pipeline/buildspec.yml'),
      environment: {
        buildImage: isArm ? build.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_4_0 : build.LinuxBuildImage.AMAZON_LINUX_2023_6,
        // The image is built by the engine of the build's own container.
        privileged: true,
        // Not stated, ARM images are LARGE and others SMALL.
        computeType: build.ComputeType.LARGE,
        environmentVariables: {
          PARAMETERS: { value: `/millstream/${settings.environment}` },
        },
      },
      timeout: Duration.minutes(60),
      logging: {
        cloudWatch: {
          logGroup: new logs.LogGroup(this, 'BuildLog', {
            logGroupName: `/millstream/${settings.environment}/build`,
            retention: logs.RetentionDays.ONE_MONTH,
            removalPolicy: RemovalPolicy.DESTROY,
          }),
        },
      },
    });
    acknowledge(project, 'CB3', 'without it there is no container engine in a build; the source is the repository of the pipeline alone');
    acknowledge(project, 'CB4', 'its artifacts are images and a file of two lines, encrypted by the bucket; a key of its own costs more than the pipeline');
    cluster.repository.grantPullPush(project);
    project.addToRolePolicy(
      new iam.PolicyStatement({
        actions: ['ssm:GetParameter'],
        resources: ['region', 'repo_uri', 'image_streamproc', 'image_s3sink'].map(
          name => `arn:${this.partition}:ssm:${this.region}:${this.account}:parameter/millstream/${settings.environment}/${name}`,
        ),
      }),
    );
    return project;
  }
}
